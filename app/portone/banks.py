"""The 79 banks and houses that PortOne knows by a code (API 1.16), with names for people."""

from dataclasses import dataclass
from typing import Literal

BankKind = Literal["bank", "securities", "institution"]


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank code of PortOne's REST API, its names, and whether people keep money there."""

    code: str
    ko: str
    en: str
    kind: BankKind

    def name(self, language: str) -> str:
        """The name in Korean for "ko" and its regions, else in English."""
        return self.ko if language.startswith("ko") else self.en


#: In the order of a select: where most people have an account comes first.
_BANKS = (
    ("KOOKMIN", "국민은행", "KB Kookmin Bank"),
    ("KAKAO", "카카오뱅크", "KakaoBank"),
    ("SHINHAN", "신한은행", "Shinhan Bank"),
    ("NONGHYUP", "NH농협은행", "NH NongHyup Bank"),
    ("WOORI", "우리은행", "Woori Bank"),
    ("HANA", "하나은행", "Hana Bank"),
    ("IBK", "기업은행", "Industrial Bank of Korea (IBK)"),
    ("TOSS", "토스뱅크", "Toss Bank"),
    ("KFCC", "새마을금고", "MG Community Credit Cooperatives"),
    ("K_BANK", "케이뱅크", "K bank"),
    ("POST", "우체국", "Korea Post"),
    ("DAEGU", "아이엠뱅크", "iM Bank (formerly Daegu Bank)"),
    ("BUSAN", "부산은행", "BNK Busan Bank"),
    ("SHINHYUP", "신협", "Credit Unions (Shinhyup)"),
    ("STANDARD_CHARTERED", "SC제일은행", "Standard Chartered Bank Korea"),
    ("KYONGNAM", "경남은행", "BNK Kyongnam Bank"),
    ("KWANGJU", "광주은행", "Kwangju Bank"),
    ("SUHYUP", "수협은행", "Sh Suhyup Bank"),
    ("JEONBUK", "전북은행", "Jeonbuk Bank"),
    ("CITI", "한국씨티은행", "Citibank Korea"),
    ("JEJU", "제주은행", "Jeju Bank"),
    ("KDB", "산업은행", "Korea Development Bank (KDB)"),
    ("SAVINGS_BANK", "저축은행", "Savings Banks"),
    ("LOCAL_NONGHYUP", "지역농축협", "Local NongHyup (regional cooperatives)"),
    ("NFCF", "산림조합중앙회", "National Forestry Cooperative Federation"),
    ("SUHYUP_FEDERATION", "수협중앙회", "National Federation of Fisheries Cooperatives"),
    ("BANK_OF_KOREA", "한국은행", "Bank of Korea"),
    ("KEXIM", "수출입은행", "Export-Import Bank of Korea"),
    ("MORGAN_STANLEY", "모간스탠리은행", "Morgan Stanley Bank"),
    ("HSBC", "HSBC은행", "HSBC"),
    ("DEUTSCHE", "도이치은행", "Deutsche Bank"),
    ("JPMC", "제이피모간체이스은행", "JPMorgan Chase Bank"),
    ("MIZUHO", "미즈호은행", "Mizuho Bank"),
    ("MUFG", "엠유에프지은행", "MUFG Bank"),
    ("BANK_OF_AMERICA", "BOA은행", "Bank of America"),
    ("BNP_PARIBAS", "비엔피파리바은행", "BNP Paribas"),
    ("ICBC", "중국공상은행", "Industrial and Commercial Bank of China"),
    ("BANK_OF_CHINA", "중국은행", "Bank of China"),
    ("UOB", "대화은행", "United Overseas Bank"),
    ("BOCOM", "교통은행", "Bank of Communications"),
    ("CCB", "중국건설은행", "China Construction Bank"),
    ("MISC_FOREIGN", "기타 외국계은행(중국 농업은행 등)", "Other foreign banks"),
)

_SECURITIES = (
    ("MIRAE_ASSET_SECURITIES", "미래에셋증권", "Mirae Asset Securities"),
    ("SAMSUNG_SECURITIES", "삼성증권", "Samsung Securities"),
    ("KIWOOM_SECURITIES", "키움증권", "Kiwoom Securities"),
    ("KOREA_SECURITIES", "한국투자증권", "Korea Investment & Securities"),
    ("NH_SECURITIES", "NH투자증권", "NH Investment & Securities"),
    ("KB_SECURITIES", "KB증권", "KB Securities"),
    ("SHINHAN_SECURITIES", "신한투자증권", "Shinhan Securities"),
    ("TOSS_SECURITIES", "토스증권", "Toss Securities"),
    ("KAKAO_PAY_SECURITIES", "카카오페이증권", "KakaoPay Securities"),
    ("HANA_SECURITIES", "하나증권", "Hana Securities"),
    ("DAISHIN_SECURITIES", "대신증권", "Daishin Securities"),
    ("MERITZ_SECURITIES", "메리츠증권", "Meritz Securities"),
    ("YUANTA_SECURITIES", "유안타증권", "Yuanta Securities Korea"),
    ("SANGSANGIN_SECURITIES", "상상인증권", "Sangsangin Investment & Securities"),
    ("HANYANG_SECURITIES", "한양증권", "Hanyang Securities"),
    ("LEADING_SECURITIES", "리딩투자증권", "Leading Investment & Securities"),
    ("BNK_SECURITIES", "BNK투자증권", "BNK Securities"),
    ("IBK_SECURITIES", "IBK투자증권", "IBK Securities"),
    ("DAOL_SECURITIES", "다올투자증권", "DAOL Investment & Securities"),
    ("KYOBO_SECURITIES", "교보증권", "Kyobo Securities"),
    ("HI_SECURITIES", "하이투자증권", "Hi Investment & Securities (now iM Securities)"),
    ("HYUNDAI_MOTOR_SECURITIES", "현대차증권", "Hyundai Motor Securities"),
    ("EBEST_SECURITIES", "LS증권", "LS Securities (formerly eBEST)"),
    ("SK_SECURITIES", "SK증권", "SK Securities"),
    ("HANHWA_SECURITIES", "한화투자증권", "Hanwha Investment & Securities"),
    ("DB_SECURITIES", "DB금융투자", "DB Financial Investment"),
    ("EUGENE_SECURITIES", "유진투자증권", "Eugene Investment & Securities"),
    ("BOOKOOK_SECURITIES", "부국증권", "Bookook Securities"),
    ("SHINYOUNG_SECURITIES", "신영증권", "Shinyoung Securities"),
    ("CAPE_SECURITIES", "케이프투자증권", "Cape Investment & Securities"),
    ("KOREA_SECURITIES_FINANCE", "한국증권금융", "Korea Securities Finance Corporation"),
    ("KOREA_FOSS_SECURITIES", "한국포스증권", "Korea Foss Securities"),
    ("WOORI_INVESTMENT_BANK", "우리종합금융", "Woori Investment Bank"),
)

#: Guarantors and registries: they have a code, and no accounts to refund to.
_INSTITUTIONS = (
    ("KODIT", "신용보증기금", "Korea Credit Guarantee Fund"),
    ("KIBO", "기술보증기금", "Korea Technology Finance Corporation"),
    ("SGI", "서울보증보험", "Seoul Guarantee Insurance"),
    ("KCIS", "한국신용정보원", "Korea Credit Information Services"),
)

#: Other spellings people and PortOne's browser SDK use for a bank.
_ALIASES = {
    "KOOKMIN": "KB국민은행 KB국민 국민 KOOKMIN_BANK",
    "NONGHYUP": "농협 농협은행 NH농협 NH_NONGHYUP_BANK",
    "LOCAL_NONGHYUP": "지역농협 단위농협",
    "IBK": "기업 IBK기업은행 INDUSTRIAL_BANK_OF_KOREA",
    "KDB": "KDB산업은행",
    "SHINHAN": "신한 SHINHAN_BANK",
    "WOORI": "우리 WOORI_BANK",
    "HANA": "하나 KEB하나은행 HANA_BANK",
    "STANDARD_CHARTERED": "제일은행 SC_BANK_KOREA",
    "CITI": "씨티은행",
    "DAEGU": "대구은행 iM뱅크 DAEGU_BANK",
    "SUHYUP": "수협 SUHYUP_BANK",
    "KFCC": "MG새마을금고",
    "POST": "우체국은행 EPOST",
    "K_BANK": "K뱅크",
    "NFCF": "산림조합",
    "BUSAN": "BUSAN_BANK",
    "KWANGJU": "GWANGJU_BANK",
    "JEONBUK": "JEONBUK_BANK",
    "KYONGNAM": "KYONGNAM_BANK",
}

#: Every bank by its code.
BANKS: dict[str, Bank] = {
    **{code: Bank(code, ko, en, "bank") for code, ko, en in _BANKS},
    **{code: Bank(code, ko, en, "securities") for code, ko, en in _SECURITIES},
    **{code: Bank(code, ko, en, "institution") for code, ko, en in _INSTITUTIONS},
}


def refund_banks() -> tuple[Bank, ...]:
    """Where a refund can be paid to, most used first: banks, then securities houses."""
    return tuple(bank for bank in BANKS.values() if bank.kind != "institution")


def bank_code(spelling: str) -> str | None:
    """The code of a bank written as code, Korean name or a common other spelling; None if unknown."""
    return _CODES.get(_folded(spelling))


def bank_name(code: str | None, language: str) -> str:
    """The bank's name, or the code as it is if nobody knows it."""
    bank = BANKS.get(code or "")
    return bank.name(language) if bank else code or ""


def _folded(spelling: str) -> str:
    return "".join(spelling.split()).upper()


_CODES = {
    **{_folded(alias): code for code, aliases in _ALIASES.items() for alias in aliases.split()},
    **{_folded(bank.ko): bank.code for bank in BANKS.values()},
    **{code: code for code in BANKS},
}
