"""The words that the rehearsal's grammar knows, by what they do."""

import re
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _counted(text: str, first: int, step: int) -> dict[str, int]:
    return {word: first + step * place for place, word in enumerate(text.split())}


UNITS: Final = _counted(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    0,
    1,
)
TENS: Final = _counted("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10)
SCALES: Final = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "bn": 9}
MONEY_SCALES: Final = {"k": 3, "m": 6}
"""Letters that scale a number of money, also after a space; elsewhere they may be units."""

NUMBER_LIKE: Final = _words(
    "half halves halve halved quarter quarters third thirds fourth fourths fifth fifths tenth tenths double "
    "doubles doubled doubling twice triple tripled thrice quadruple dozen dozens couple hundreds thousands "
    "millions billions percentage percentages percents trillion score"
)
"""Words that carry a number which the grammar does not compute with."""

CURRENCY_SYMBOLS: Final = {"$": "$", "US$": "$", "€": "€", "£": "£"}
CURRENCY_WORDS: Final = {
    **dict.fromkeys(("usd", "dollar", "dollars"), "$"),
    **dict.fromkeys(("eur", "euro", "euros"), "€"),
    **dict.fromkeys(("gbp", "pound", "pounds"), "£"),
}
OTHER_CURRENCIES: Final = _words(
    "aud cad chf cny inr jpy krw mxn nok nzd sek dkk pln rub brl zar yen yuan rupee rupees franc francs "
    "peso pesos cent cents bitcoin bitcoins btc eth"
)

CONDITIONS: Final = _words(
    "if unless except excluding otherwise until instead whether assuming provided when whenever once"
)
OPERATOR_LIKE: Final = _words(
    "added subtracted multiplied divided minused squared cubed sqrt squareroot root log modulo mod remainder "
    "factorial ratio average mean median maximum minimum per each every compound compounded than over under "
    "above below exceeding exceeds least most more fewer greater versus vs or not no don't dont "
    "never without "
    "power range doesn't isn't cannot can't nor neither but rather second third fourth first"
)
"""Words that change what is computed and are not understood where something is computed."""

ROLES: Final = {
    **{
        word: word
        for word in [
            "of",
            "off",
            "to",
            "from",
            "by",
            "at",
            "and",
            "between",
            "add",
            "multiply",
            "divide",
            "apply",
            "discount",
        ]
    },
    **{word: word for word in ("subtract", "increase", "decrease", "sum", "product", "difference")},
    **dict.fromkeys(("on",), "of"),
    **dict.fromkeys(("it", "result"), "reference"),
    **dict.fromkeys(("that", "this", "total"), "this"),
    **dict.fromkeys(("deduct",), "subtract"),
    **dict.fromkeys(("raise",), "increase"),
    **dict.fromkeys(("reduce", "lower", "cut"), "decrease"),
}
WORD_OPERATORS: Final = {"plus": "+", "minus": "-", "less": "-", "times": "*"}
PARTICIPLES: Final = {"multiplied": "*", "divided": "/"}
CALCULATION_VERBS: Final = _words(
    "add subtract deduct multiply divide increase raise reduce decrease lower cut apply"
)
RATE_WORDS: Final = _words("commission fee royalty tip bonus")

CALCULATE_HEADS: Final = _words(
    "calculate compute evaluate work figure solve calculating computing what what's whats how"
)
TENTATIVE_HEADS: Final = _words("find get determine take estimate")
MAIL_HEADS: Final = _words(
    "send e-mail email mail write tell notify inform forward sending e-mailing emailing mailing"
)
MAIL_WORDS: Final = _words(
    "a an the it this that result results total sum amount number figure value answer outcome final "
    "commission "
    "price tax fee tip discount calculation calculated computed report summary e-mail email mail "
    "message note "
    "with and to at subject titled line please about of our my your new via them him her what is also as "
    "well too copy by"
)
CARBON_COPY: Final = _words("cc copy copying cc'ing")
ROUND_HEADS: Final = _words("round rounded rounding")

FRAMING_HEADS: Final = _words(
    "a an the this that these those it its our my your their his her for with in on at by from to "
    "of about as "
    "because since so thanks thank hello hi dear hey here there note fyi we i you he she they "
    "regards best after "
    "before during is are was were all total commission commissions tax price cost costs sales "
    "revenue result "
    "discount fee profit tip interest amount sum difference product budget invoice salary bonus task exactly "
    "approximately about roughly both between"
)
MODALS: Final = _words("must should need needs shall want wants have has ought ensure make")

DETERMINERS: Final = _words("a an the my our your their his her its")
LINKS: Final = _words("in for as")
NOUNS: Final = _words(
    "amount answer bonus bonuses budget calculation commission commissions cost costs deposit expression "
    "fee fees final following income interest new overall price prices profit profits rate revenue "
    "royalties royalty salaries salary sales team tax taxes tip tips turnover value vat"
)
OPENING: Final = _words(
    "are be calculate calculating compute computing determine do does equal estimate evaluate figure find "
    "get how is many me much out solve take us what what's whats work would"
)
CLOSING: Final = _words("is please")
HARMLESS: Final = DETERMINERS | LINKS | NOUNS | OPENING | CLOSING
"""Words that change no number, each in its place only; docs/reference/rehearsal.md lists them."""

UNITS_OF_MEASURE: Final = _words(
    "mg g kg t gram grams kilo kilos kilogram kilograms ton tons tonne tonnes lb lbs oz ounce ounces mm cm m "
    "km meter meters metre metres mile miles foot feet ft inch inches yard yards ml cl l liter liters litre "
    "litres gallon gallons s sec seconds min minute minutes h hr hrs hour hours d day days week weeks "
    "month months year years kb mb gb tb c f celsius fahrenheit kelvin degrees watt watts kwh "
    "piece pieces unit units apple apples invoice invoices people person persons"
)
"""Words that are refused by name as units; a word that is not here is refused all the same."""

LEAD: Final = re.compile(
    r"(?:(?:please|kindly|now|also|first|firstly|second|secondly|third|thirdly|next|finally|lastly"
    r"|afterwards|and"
    r"|ok|okay|hi|hello|hey|just|simply|to|after (?:that|approval|verification|review|confirmation)"
    r"|(?:once|when) (?:it is |it's )?(?:approved|verified|confirmed|checked|done)"
    r"|(?:can|could|would|will) you|(?:i|we) (?:want|need)(?: you)?(?: to)?"
    r"|(?:i|we)(?:'d| would) like(?: you)?(?: to)?|let's|let us|let me know|help me(?: to)?"
    r"|tell me|give me|show me|your (?:task|job) is to|you (?:should|must))"
    r"(?: |$))+",
)
