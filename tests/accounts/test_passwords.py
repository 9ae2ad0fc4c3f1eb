"""Which passwords are fit: long, and not among those that are guessed first, in English or in Korean."""

import pytest

from app.accounts import people, service
from app.accounts.korean_keys import typed_in_english
from app.accounts.passwords import PasswordRefused, refuse_unfit_password
from tests.conftest import pages_on_one_database
from tests.factories import PASSWORD

pytestmark = [pytest.mark.usefixtures("app"), pages_on_one_database]


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Passw0rd!Passw0rd!",
        "qwertyuiop123",
        "1q2w3e4r5t6y",
        "aaaaaaaaaaaaaa",
        "abcdefghijklmn",
        "tkfkdgotkfkdgo",
        "dkssudgktpdy1",
        "사랑해사랑해사랑해사랑해",
        "qlalfqjsgh1234",
        "portico12345",
        "123456789012",
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password):
    with pytest.raises(PasswordRefused):
        refuse_unfit_password(password)


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "비밀번호는 길어야 좋다",
        "another long password",
        "wkfahtckwsms rhksfl 77",
        "x9" * 6 + "!kQz",
    ],
)
def test_a_password_of_a_few_words_is_fine(password):
    refuse_unfit_password(password)


def test_ones_own_name_and_address_are_guessed_first_too():
    refuse_unfit_password("seoyeonkim1990")
    with pytest.raises(PasswordRefused):
        refuse_unfit_password("seoyeonkim1990", about=("seoyeonkim@example.com",))
    with pytest.raises(PasswordRefused):
        refuse_unfit_password(typed_in_english("김서연김서연") + "1", about=("김서연",))


def test_the_keys_of_a_korean_word_are_those_of_the_usual_keyboard():
    pairs = {
        "사랑해": "tkfkdgo",
        "비밀번호": "qlalfqjsgh",
        "꿈을 꿨다": "Rnadmf RnjTek",
        "닭값 a1": "ekfrrkqt a1",
    }
    assert {word: typed_in_english(word) for word in pairs} == pairs


def test_the_password_there_is_cannot_be_the_new_one(admin):
    user = service.sign_in(admin.email, PASSWORD)
    with pytest.raises(PasswordRefused):
        service.change_password(PASSWORD, PASSWORD, by=user)


def test_an_invited_person_cannot_choose_a_common_one(super_admin):
    token = people.invite("new@example.com", "박새로", people.Role.ADMIN, by=super_admin)
    with pytest.raises(PasswordRefused):
        people.accept_invitation(token, "password1234")
    assert people.get_open_invitation(token).email == "new@example.com"


def test_looking_at_a_very_long_password_takes_no_time_to_speak_of():
    refuse_unfit_password("서로 관계없는 낱말 " + "가" * 180)
    with pytest.raises(PasswordRefused):
        refuse_unfit_password("ab" * 100)
