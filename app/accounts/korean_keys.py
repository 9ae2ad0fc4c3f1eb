"""Korean words as they come out when the keyboard stands on English: 사랑해 becomes tkfkdgo.

Many people make their passwords like this, so guessers try them early.
"""

#: The keys of the usual keyboard (두벌식) for the parts of a syllable, in the order Unicode counts them.
_KEYS_OF_PARTS = (
    "r R s e E f a q Q t T d w W c z x v g",
    "k o i O j p u P h hk ho hl y n nj np nl b m ml l",
    " r R rt s sw sg e f fr fa fq ft fx fv fg a q qt t T d w c z x v g",
)
_FIRST, _MIDDLE, _LAST = (keys.split(" ") for keys in _KEYS_OF_PARTS)

_FIRST_SYLLABLE, _LAST_SYLLABLE = ord("가"), ord("힣")

#: What people choose again and again; the most usual first.
_CHOSEN_AGAIN_AND_AGAIN = """
    사랑해 비밀번호 안녕하세요 대한민국 사랑해요 사랑합니다 우리집 행복 행복해 화이팅 파이팅 감사합니다
    패스워드 비번 암호 관리자 최고관리자 회사 로그인 테스트 운영자 고객센터 결제 환불 쇼핑몰 포트원
    아임포트 서울 부산 한국 코리아 천재 바보 가족 엄마 아빠 우리가족 아기 천사 공주 왕자 여보 자기야
    친구 하나님 예수님 부처님 영원히 건강 대박 부자 성공 희망 소망 믿음 평화 하늘 바다 나무 사과 딸기
    고양이 강아지 멍멍이 야옹이 호랑이 독수리 축구 야구 농구 음악 영화 커피 김치 치킨 피자 라면 삼성
    현대 네이버 카카오 카카오톡 구글 애플 아이폰 갤럭시 가나다라 가나다라마바사 아자차카타파하 일이삼사
    하나둘셋넷 홍길동 김철수 이영희 무궁화 태극기 만세 독도 월요일 금요일 봄여름가을겨울 여름 겨울 생일
    한글 세종대왕 이순신
"""
COMMON_WORDS = tuple(_CHOSEN_AGAIN_AND_AGAIN.split())


def typed_in_english(text: str) -> str:
    """The keys pressed for a Korean text; what is no whole syllable stays as it is."""
    return "".join(_keys_of(character) for character in text)


def _keys_of(character: str) -> str:
    if not _FIRST_SYLLABLE <= ord(character) <= _LAST_SYLLABLE:
        return character
    rest, last = divmod(ord(character) - _FIRST_SYLLABLE, len(_LAST))
    first, middle = divmod(rest, len(_MIDDLE))
    return _FIRST[first] + _MIDDLE[middle] + _LAST[last]
