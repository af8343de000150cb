//! What a request says about the form of the answer: `Accept-Encoding` and `If-None-Match`.

/// A coding that a body can be compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Deflate,
    Gzip,
}

impl Coding {
    /// The header field that tells it, its line end in front.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::Deflate => "\r\nContent-Encoding: deflate",
            Self::Gzip => "\r\nContent-Encoding: gzip",
        }
    }
}

/// The coding that a client would like best; of two that it likes equally, the one that it names first.
pub(crate) fn coding(accept: Option<&str>) -> Option<Coding> {
    let accept = accept?;
    let mut best: Option<(u16, Coding)> = None;
    for element in accept.split(',') {
        let (name, parameters) = element.split_once(';').map_or((element, None), |(name, rest)| (name, Some(rest)));
        let name = name.trim();
        let coding = if name.eq_ignore_ascii_case("gzip") || name == "*" && !names(accept, "gzip") {
            Coding::Gzip
        } else if name.eq_ignore_ascii_case("deflate") || name == "*" && !names(accept, "deflate") {
            Coding::Deflate
        } else {
            continue;
        };
        let weight = parameters.map_or(1000, weight);
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, coding));
        }
    }
    best.map(|(_, coding)| coding)
}

fn names(accept: &str, coding: &str) -> bool {
    let mut elements = accept.split(',').map(|element| element.split_once(';').map_or(element, |(name, _)| name));
    elements.any(|name| name.trim().eq_ignore_ascii_case(coding))
}

/// Whether gzip is the encoding to answer with (RFC 9110, 12.5.3).
///
/// `accept` is the value of the field; several fields are joined with commas. Without the field nothing is encoded: RFC 9110 would allow
/// it, but who does not ask is usually a small program that cannot decode.
pub(super) fn accepts_gzip(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return false };
    let (mut gzip, mut identity, mut others) = (None, None, None);
    for element in accept.split(',') {
        let (coding, parameters) =
            element.split_once(';').map_or((element, None), |(coding, rest)| (coding, Some(rest)));
        let weight = Some(parameters.map_or(1000, weight));
        let coding = coding.trim();
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            gzip = gzip.max(weight);
        } else if coding.eq_ignore_ascii_case("identity") {
            identity = weight;
        } else if coding == "*" {
            others = weight;
        }
    }
    let gzip = gzip.or(others).unwrap_or(0);
    // Identity is acceptable unless refused, but who names gzip and not identity prefers gzip.
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A quality value in thousandths (RFC 9110, 12.4.2); 0, not acceptable, if it is none.
fn weight(parameters: &str) -> u16 {
    let value = parameters.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
    let Some(value) = value.map(str::trim) else {
        return 0;
    };
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let thousandths = fraction
        .bytes()
        .chain(core::iter::repeat(b'0'))
        .take(3)
        .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, thousandths) {
        ("0", thousandths) => thousandths,
        ("1", 0) => 1000,
        _ => 0,
    }
}

/// Whether the client has the representation with this tag already (RFC 9110, 13.1.2; weak comparison).
pub(super) fn matches(if_none_match: Option<&str>, etag: &str) -> bool {
    let Some(list) = if_none_match.map(str::trim) else {
        return false;
    };
    // Our tags have no comma in them, so a foreign one that does is only cut into pieces that match nothing.
    list == "*" || list.split(',').any(|tag| tag.trim().strip_prefix("W/").unwrap_or(tag.trim()) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_by_quality() {
        for (accept, gzip) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("deflate, GZip;q=0.5", true),
            ("x-gzip", true),
            ("*", true),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
            ("identity;q=0, gzip;q=0.001", true),
            ("identity; q=0.5, gzip;q=0.5", true),
            ("gzip ; Q = 1.000", true),
            ("identity, gzip;q=0.5", false),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("*;q=0", false),
            ("", false),
            ("identity", false),
            ("br", false),
            ("gzippy", false),
            ("gzip;q=1.5", false),
            ("gzip;q=-1", false),
            ("gzip;q=0.1234", false),
            ("gzip;level=9", false),
            ("gzip;q=", false),
            ("gzip;q=0.x", false),
        ] {
            assert_eq!(accepts_gzip(Some(accept)), gzip, "{accept:?}");
        }
        assert!(!accepts_gzip(None));
    }

    #[test]
    fn codings_by_quality_and_order() {
        let (gzip, deflate) = (Some(Coding::Gzip), Some(Coding::Deflate));
        for (accept, chosen) in [
            ("gzip, deflate, br", gzip),
            ("deflate, gzip", deflate),
            ("gzip;q=0.5, deflate", deflate),
            ("*", gzip),
            ("gzip;q=0, *", deflate),
            ("*;q=0.1, deflate;q=0.2", deflate),
            ("br", None),
            ("gzip;q=0", None),
            ("", None),
        ] {
            assert_eq!(coding(Some(accept)), chosen, "{accept:?}");
        }
        assert_eq!(coding(None), None);
    }

    #[test]
    fn tags_are_compared_weakly() {
        for (list, matched) in [
            (r#""abc""#, true),
            (r#"W/"abc""#, true),
            (r#""x", W/"y" ,"abc""#, true),
            ("*", true),
            (" * ", true),
            (r#""abcd""#, false),
            ("abc", false),
            (r#"w/"abc""#, false),
            ("", false),
            (r#""x, y""#, false),
        ] {
            assert_eq!(matches(Some(list), r#""abc""#), matched, "{list}");
        }
        assert!(!matches(None, r#""abc""#));
    }
}
