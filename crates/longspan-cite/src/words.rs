//! Words that change what a sentence means: negations, numbers, dates, units and modal verbs, of English, German, French
//! and Spanish, and negations of more languages. They say which edit is shown first, and what no elision or bracket may
//! hide. Beside them stand the abbreviations and the articles with an apostrophe that end no sentence and no word. Nothing
//! else but the names of pages in plain texts depends on a language.

/// Left out are Italian `mai` and Dutch `noch`, which are other words in German and French; they mostly stand beside another
/// negation. French `n'` and English `n't` are found by their apostrophes.
#[rustfmt::skip]
const NEGATIONS: &[&str] = &[
    // English
    "not", "no", "nor", "never", "none", "neither", "nothing", "nobody", "nowhere", "cannot", "without", "except",
    "unless", "non", "hardly", "barely", "scarcely", "rarely", "seldom",
    // German
    "nicht", "kein", "keine", "keinen", "keinem", "keiner", "keines", "keins", "keinesfalls", "keineswegs",
    "keinerlei", "nie", "niemals", "nimmer", "nichts", "niemand", "niemanden", "niemandem", "nirgends", "nirgendwo",
    "mitnichten", "weder", "ohne", "außer", "kaum",
    // French
    "ne", "pas", "jamais", "aucun", "aucune", "aucunement", "rien", "personne", "nul", "nulle", "nullement", "guère",
    "sans", "ni", "sauf", "hormis",
    // Spanish
    "nunca", "jamás", "ningún", "ninguna", "ninguno", "nada", "nadie", "sin", "tampoco", "excepto", "salvo",
    "apenas",
    // Dutch
    "niet", "niets", "geen", "geenszins", "nooit", "nergens", "zonder", "tenzij", "behalve",
    // Portuguese
    "não", "nem", "nenhum", "nenhuma", "ninguém", "sem", "tampouco", "exceto",
    // Italian
    "nessun", "nessuna", "nessuno", "niente", "nulla", "senza", "neanche", "nemmeno", "neppure", "tranne",
    "eccetto",
    // Swedish
    "inte", "icke", "ej", "aldrig", "ingen", "inget", "inga", "ingenting", "ingenstans", "varken", "utan", "knappt",
    // Polish
    "nigdy", "nikt", "nikogo", "nikomu", "nic", "niczego", "nigdzie", "żaden", "żadna", "żadne", "żadnego", "żadnej",
    "żadnym", "żadnych", "bez", "ani", "oprócz",
    // Russian
    "не", "нет", "ни", "никогда", "никто", "никого", "никому", "ничто", "ничего", "нигде", "никуда", "никак",
    "никакой", "никакого", "никакие", "никаких", "нельзя", "без", "кроме",
    // Chinese and Arabic
    "不", "没", "沒", "非", "無", "无", "未", "لا", "لم", "لن", "ليس", "غير", "بدون",
];

/// What makes a word its opposite.
const NEGATIVE_PREFIXES: &[&str] = &["un", "in", "im", "ir", "il", "non", "dis", "mis", "nicht"];

/// Ordinals that end in `th` or `ième` are found by their ends.
#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    // English
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty",
    "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "billion", "trillion",
    "dozen", "half", "first", "second", "third", "fifth", "eighth", "ninth", "once", "twice", "thrice", "twelfth",
    "thirds", "fifths", "eighths", "ninths", "twelfths", "halves", "quarter", "quarters", "hundreds", "thousands",
    "billions", "dozens",
    // French
    "deux", "trois", "quatre", "cinq", "sept", "huit", "neuf", "dix", "onze", "douze", "treize", "quatorze",
    "quinze", "seize", "vingt", "trente", "quarante", "cinquante", "soixante", "cent", "cents", "mille", "millions",
    "milliard", "milliards", "vingts", "septante", "huitante", "nonante", "zéro", "premier", "première", "premiers",
    "premières", "seconde", "demi", "demie", "moitié", "quart", "quarts", "dizaine", "douzaine", "quinzaine",
    "vingtaine", "trentaine", "centaine",
    // Spanish
    "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "doce", "trece", "catorce", "quince",
    "veinte", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa", "cien", "ciento",
    "mil", "millón", "millones", "cero", "dieciséis", "diecisiete", "dieciocho", "diecinueve", "veintiún",
    "veintiuno", "veintiuna", "veintidós", "veintitrés", "veinticuatro", "veinticinco", "veintiséis", "veintisiete",
    "veintiocho", "veintinueve", "doscientos", "doscientas", "trescientos", "trescientas", "cuatrocientos",
    "cuatrocientas", "quinientos", "quinientas", "seiscientos", "seiscientas", "setecientos", "setecientas",
    "ochocientos", "ochocientas", "novecientos", "novecientas", "primer", "primero", "primera", "segundo", "segunda",
    "tercer", "tercero", "tercera", "cuarto", "cuarta", "quinto", "quinta", "sexto", "sexta", "séptimo", "séptima",
    "octavo", "octava", "noveno", "novena", "décimo", "décima", "mitad", "tercio", "tercios",
];

/// Of these, German makes others: `einundzwanzig`, `zweihundert`, `vierte`, `dreimal`.
#[rustfmt::skip]
const GERMAN_NUMBERS: &[&str] = &[
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf",
    "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn", "zwanzig", "dreißig",
    "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig", "hundert", "tausend", "millionen", "milliarde",
    "milliarden", "dreissig", "million",
];

/// German ordinals and fractions of another form, without their ends.
const GERMAN_ORDINALS: &[&str] = &["erst", "dritt", "siebt", "acht", "halb"];

const MONTHS_AND_DAYS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
    "janvier",
    "février",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "lunes",
    "martes",
    "miércoles",
    "jueves",
    "viernes",
    "sábado",
    "domingo",
];

const UNITS: &[&str] = &[
    "second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months",
    "year", "years", "quarter", "quarters", "percent", "dollar", "dollars", "euro", "euros", "pound", "pounds", "usd",
    "eur", "gbp", "cents", "mm", "cm", "m", "km", "mile", "miles", "feet", "foot", "inch", "inches", "kg", "g", "mg",
    "ton", "tons", "tonnes", "metres", "meters", "litres", "liters", "bytes", "kb", "mb", "gb", "tag", "tage", "tagen",
    "woche", "wochen", "monat", "monate", "monaten", "jahr", "jahre", "jahren", "stunde", "stunden", "prozent", "jour",
    "jours", "semaine", "semaines", "mois", "an", "ans", "année", "années", "heure", "heures", "día", "días", "semana",
    "semanas", "mes", "meses", "año", "años", "hora", "horas", "天", "日", "月", "年", "元",
];

const MODALS: &[&str] = &[
    "shall", "may", "must", "should", "will", "would", "can", "could", "might", "muss", "müssen", "darf", "dürfen",
    "kann", "können", "soll", "sollen", "wird", "werden", "doit", "doivent", "peut", "peuvent", "devra", "devront",
    "pourra", "pourront", "debe", "deben", "deberá", "deberán", "puede", "pueden", "podrá", "podrán",
];

/// Numerals of scripts that write numbers as words.
const NUMERALS: &str = "〇零一二三四五六七八九十百千万萬亿億两兩壹贰貳叁參肆伍陆陸柒捌玖拾佰仟廿卅";

pub(crate) fn is_numeral(c: char) -> bool {
    c > '\u{3000}' && NUMERALS.contains(c)
}

/// Whether a sign belongs to the number before it.
pub(crate) fn is_unit_sign(sign: &str) -> bool {
    matches!(sign, "%" | "‰" | "°" | "％")
}

/// Whether a sign is that of a currency.
pub(crate) fn is_amount_sign(sign: &str) -> bool {
    matches!(sign, "$" | "€" | "£" | "¥" | "₹" | "¢" | "₽" | "₩" | "₺" | "₴" | "₪" | "₫" | "₦")
}

/// Whether a word before an apostrophe is an article or a preposition, whose noun is a word of its own: `l'accord`.
pub(crate) fn is_clitic(word: &str) -> bool {
    let clitics = ["l", "d", "qu", "jusqu", "lorsqu", "puisqu", "dell", "all", "nell", "sull", "dall"];
    clitics.contains(&word.to_lowercase().as_str())
}

/// Whether a word in lower case is nothing but a prefix that negates.
pub(crate) fn is_negative_prefix(word: &str) -> bool {
    matches!(word, "un" | "dis" | "mis" | "ir")
}

/// Whether a word in lower case stands before a full stop that ends no sentence.
pub(crate) fn is_abbreviation(word: &str) -> bool {
    let abbreviations = [
        "abs", "al", "approx", "art", "bzw", "ca", "cf", "cl", "ed", "eg", "etc", "ex", "fig", "gem", "ie", "incl",
        "nos", "nr", "par", "para", "pp", "ref", "resp", "sec", "sect", "sog", "usw", "vgl", "viz", "vol", "vs",
    ];
    abbreviations.contains(&word)
}

/// A word in lower case, and what it is.
pub(crate) fn is_negation(word: &str) -> bool {
    NEGATIONS.contains(&word)
}

pub(crate) fn is_number(word: &str) -> bool {
    word.contains(char::is_numeric)
        || NUMBERS.contains(&word)
        || is_ordinal(word)
        || is_german_number(word)
        || (!word.is_empty() && word.chars().all(is_numeral))
}

/// `fourth`, `twentieths`, `deuxième`.
fn is_ordinal(word: &str) -> bool {
    let one = word.strip_suffix('s').unwrap_or(word);
    let Some(stem) = one.strip_suffix("th") else { return one.ends_with("ième") };
    let is_of_tens = |tens: &&str| tens.strip_suffix('y').is_some_and(|tens| stem.strip_suffix("ie") == Some(tens));
    NUMBERS.contains(&stem) || NUMBERS.iter().any(is_of_tens)
}

/// `zwei`, `einundzwanzig`, `zweihundertste`, `Drittel`.
fn is_german_number(word: &str) -> bool {
    let ends = |stem: &str, ends: &[&str]| word.strip_prefix(stem).is_some_and(|rest| ends.contains(&rest));
    if GERMAN_ORDINALS.iter().any(|stem| ends(stem, &["e", "en", "er", "es", "em", "el", "eln"])) || word == "halb" {
        return true;
    }
    let mut rest = word;
    let mut count = 0;
    loop {
        let longest =
            GERMAN_NUMBERS.iter().filter(|number| rest.starts_with(**number)).max_by_key(|number| number.len());
        let Some(number) = longest.copied().or(rest.starts_with("ein").then_some("ein")) else { break };
        // What is `ein` alone is an article.
        if number == "ein" && rest == number {
            return false;
        }
        (rest, count) = (&rest[number.len()..], count + 1);
        rest = rest.strip_prefix("und").filter(|rest| !rest.is_empty()).unwrap_or(rest);
    }
    let end = rest.strip_prefix('s').unwrap_or(rest);
    // `einfach` is `simple`.
    count > 0
        && word != "einfach"
        && (rest.is_empty() || matches!(end, "te" | "ten" | "ter" | "tes" | "tem" | "tel" | "teln" | "mal" | "fach"))
}

/// Whether a word, as it was written, is a Roman numeral of two letters or more and no other word or abbreviation: `XIV` and
/// `xiv`, but not `vi`, `CD` or `MIX`.
pub(crate) fn is_roman_numeral(word: &str) -> bool {
    let letters = match word.len() {
        0 | 1 => "",
        _ if word.starts_with(char::is_lowercase) => "ivx",
        2 => "IVX",
        3 => "IVXL",
        _ => "IVXLCDM",
    };
    if letters.is_empty() || word == "vi" || !word.chars().all(|letter| letters.contains(letter)) {
        return false;
    }
    let capitals = word.to_uppercase();
    let mut rest = capitals.as_str();
    let signs = ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"];
    for (sign, most) in signs.into_iter().zip([3, 1, 1, 1].into_iter().cycle()) {
        for _ in 0..most {
            rest = rest.strip_prefix(sign).unwrap_or(rest);
        }
    }
    rest.is_empty()
}

pub(crate) fn is_date(word: &str) -> bool {
    MONTHS_AND_DAYS.contains(&word)
}

pub(crate) fn is_unit(word: &str) -> bool {
    UNITS.contains(&word) || is_unit_sign(word)
}

pub(crate) fn is_modal(word: &str) -> bool {
    MODALS.contains(&word)
}

pub(crate) fn is_amount(sign: &str) -> bool {
    is_amount_sign(sign) || matches!(sign, "dollars" | "euros" | "usd" | "eur" | "gbp" | "pounds")
}

/// Whether one word is the other one with a prefix that negates it.
pub(crate) fn are_opposites(one: &str, other: &str) -> bool {
    let negates = |long: &str, short: &str| {
        short.len() > 2
            && NEGATIVE_PREFIXES
                .iter()
                .any(|prefix| long.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('-') == short))
    };
    negates(one, other) || negates(other, one) || is_less(one, other) || is_less(other, one)
}

/// `careless` and `careful`.
fn is_less(one: &str, other: &str) -> bool {
    one.strip_suffix("less").is_some_and(|stem| stem.len() > 2 && other.strip_suffix("ful") == Some(stem))
}
