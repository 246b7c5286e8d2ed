//! What a certificate says of itself: whom it names and until when it holds. Whether that is true is rustls' to judge; here, DER is
//! only read, and what cannot be read is left out.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

// Tags of DER.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const IA5: u8 = 0x16;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const MAIL_NAME: u8 = 0x81;
const DNS_NAME: u8 = 0x82;
const URI_NAME: u8 = 0x86;

// Objects: 2.5.4.3 and 2.5.29.17.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ALTERNATIVE_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// Bytes of a name that is taken for a caller's.
const NAME_BYTES_MAX: usize = 128;

/// What a certificate says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Its common name, or else the first of its alternative names.
    pub(super) name: Option<String>,
    /// Until when it holds.
    pub(super) expires: Timestamp,
}

impl Certificate {
    /// Reads a certificate; `None` if it is not one.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let mut signed = Der(Der(der).expect(SEQUENCE)?);
        let mut body = Der(signed.expect(SEQUENCE)?);
        body.skip_if(VERSION);
        let (_serial, _algorithm, _issuer) = (body.next()?, body.next()?, body.next()?);
        let mut validity = Der(body.expect(SEQUENCE)?);
        let (_from, to) = (validity.next()?, validity.next()?);
        let subject = body.expect(SEQUENCE)?;
        let name = common_name(subject).or_else(|| {
            let extensions = std::iter::from_fn(|| body.next()).find(|(tag, _)| *tag == EXTENSIONS)?;
            alternative_name(extensions.1)
        });
        Some(Self { name, expires: instant(to)? })
    }
}

fn common_name(subject: &[u8]) -> Option<String> {
    let mut parts = Der(subject);
    while let Some((SET, part)) = parts.next() {
        let mut pair = Der(Der(part).expect(SEQUENCE)?);
        if pair.expect(OBJECT)? == COMMON_NAME {
            let (tag, value) = pair.next()?;
            return if [UTF8, PRINTABLE, IA5].contains(&tag) { name(value) } else { None };
        }
    }
    None
}

fn alternative_name(extensions: &[u8]) -> Option<String> {
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some((SEQUENCE, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if extension.expect(OBJECT)? != ALTERNATIVE_NAME {
            continue;
        }
        // Between the two may stand whether it is critical.
        let octets = std::iter::from_fn(|| extension.next()).find(|(tag, _)| *tag == OCTETS)?.1;
        let mut names = Der(Der(octets).expect(SEQUENCE)?);
        let mut names = std::iter::from_fn(|| names.next());
        return names
            .find(|(tag, _)| [MAIL_NAME, DNS_NAME, URI_NAME].contains(tag))
            .and_then(|(_, text)| name(text));
    }
    None
}

fn name(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// An instant as certificates write it: `YYMMDDHHMMSSZ`, with four digits of the year from 2050 on.
fn instant((tag, text): (u8, &[u8])) -> Option<Timestamp> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0'));
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year = number(&digits[..2]);
            (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return None,
    };
    let two = |at: usize| number(&rest[at..at + 2]) as i8;
    let time = DateTime::new(year, two(0), two(2), two(4), two(6), two(8), 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Elements of DER, one after another.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and what it holds.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            // Longer than four gigabytes is no certificate.
            let digits = usize::from(first & 0x7f);
            let (digits, rest) = rest.split_at_checked(digits).filter(|_| (1..=4).contains(&digits))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        };
        let (inside, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, inside))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, inside)| inside)
    }

    fn skip_if(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn made(common: Option<&str>, alternative: Vec<SanType>, year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Muster");
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = alternative;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 2, 3);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_ends_are_read() {
        let dns = || SanType::DnsName("delivery.example".try_into().unwrap());
        let uri = || SanType::URI("spiffe://example/delivery".try_into().unwrap());
        let number = || SanType::IpAddress([127, 0, 0, 1].into());
        let cases = [
            (made(Some("delivery"), vec![dns()], 2027), Some("delivery"), "2027-02-03T00:00:00Z"),
            (
                made(None, vec![number(), dns(), uri()], 2049),
                Some("delivery.example"),
                "2049-02-03T00:00:00Z",
            ),
            (made(None, vec![uri()], 2050), Some("spiffe://example/delivery"), "2050-02-03T00:00:00Z"),
            (made(None, vec![], 2100), None, "2100-02-03T00:00:00Z"),
            (made(Some("Zoë 北京"), vec![], 2027), Some("Zoë 北京"), "2027-02-03T00:00:00Z"),
            (made(Some("two\nlines"), vec![], 2027), None, "2027-02-03T00:00:00Z"),
            (made(Some(&"x".repeat(129)), vec![], 2027), None, "2027-02-03T00:00:00Z"),
        ];
        for (der, name, expires) in cases {
            let read = Certificate::read(&der).unwrap();
            assert_eq!((read.name.as_deref(), read.expires.to_string().as_str()), (name, expires));
        }
    }

    #[test]
    fn what_is_cut_or_changed_never_panics() {
        let der = made(None, vec![SanType::DnsName("delivery.example".try_into().unwrap())], 2027);
        for end in 0..der.len() {
            assert_eq!(Certificate::read(&der[..end]), None, "cut at {end}");
        }
        for at in 0..der.len() {
            for byte in [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = byte;
                let _ = Certificate::read(&changed);
            }
        }
    }
}
