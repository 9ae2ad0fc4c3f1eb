"""A saved view: the filters of a list under a name, and which one a person's list opens with."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.columns import Document, Id, Identified, Timestamped
from app.extensions import Model


class SavedView(Identified, Timestamped, Model):
    """The filters of a list, as they stand in its address, kept by a person for themselves or for all.

    A shared view stays when its owner leaves.
    """

    __tablename__ = "saved_views"
    __table_args__ = (Index("ix_saved_views_list_name_owner_id", "list_name", "owner_id"),)

    list_name: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(60))
    query: Mapped[str] = mapped_column(Text, server_default="")
    owner_id: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    is_shared: Mapped[bool] = mapped_column(server_default=false())

    owner: Mapped[User | None] = relationship()


class DefaultView(Model):
    """The view that a person's list opens with: one at most for each person and list."""

    __tablename__ = "default_views"

    user_id: Mapped[UUID] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    list_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    view_id: Mapped[UUID] = mapped_column(Id, ForeignKey("saved_views.id", ondelete="CASCADE"), index=True)


class ListColumns(Model):
    """The columns of a list that a person chose to see, unless an address names others."""

    __tablename__ = "list_columns"

    user_id: Mapped[UUID] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    list_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    columns: Mapped[list[str]] = mapped_column(Document)
