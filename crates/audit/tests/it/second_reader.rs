//! A second reader, written from `docs/audit-format.md` alone: it shares no code with the crate but SHA-256.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ring::digest::{SHA256, digest};
use rylie_audit::{ActorPart, Digest, Document, Part, Record, Salt, TargetPart, Text};

fn h(parts: &[&[u8]]) -> Vec<u8> {
    digest(&SHA256, &parts.concat()).as_ref().to_vec()
}

fn text(s: &str) -> Vec<u8> {
    [&u32::try_from(s.len()).unwrap().to_be_bytes()[..], s.as_bytes()].concat()
}

fn opt(s: Option<&str>) -> Vec<u8> {
    s.map_or(vec![0xff; 4], text)
}

/// `json(v)`, or `None` where the text is no document.
fn json(source: &str) -> Option<Vec<u8>> {
    let mut parser = Parser { bytes: source.as_bytes(), at: 0 };
    let value = parser.value(0)?;
    parser.space();
    (parser.at == source.len()).then_some(value)
}

struct Parser<'s> {
    bytes: &'s [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Option<Vec<u8>> {
        self.space();
        match self.peek()? {
            b'n' => self.take(b"null").map(|()| b"n".to_vec()),
            b'f' => self.take(b"false").map(|()| b"f".to_vec()),
            b't' => self.take(b"true").map(|()| b"t".to_vec()),
            b'"' => Some([b"s".to_vec(), text(&self.string()?)].concat()),
            b'[' => self.array(depth + 1),
            b'{' => self.object(depth + 1),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Vec<u8>> {
        if depth > 127 {
            return None;
        }
        self.at += 1;
        let (mut items, mut count) = (Vec::new(), 0_u32);
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                items.extend(self.value(depth)?);
                count += 1;
                self.space();
                match self.peek()? {
                    b',' => self.at += 1,
                    b']' => {
                        self.at += 1;
                        break;
                    }
                    _ => return None,
                }
            }
        }
        Some([b"a".to_vec(), count.to_be_bytes().to_vec(), items].concat())
    }

    fn object(&mut self, depth: usize) -> Option<Vec<u8>> {
        if depth > 127 {
            return None;
        }
        self.at += 1;
        let mut members = BTreeMap::new();
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
        } else {
            loop {
                self.space();
                let name = self.string()?;
                self.space();
                self.take(b":")?;
                members.insert(name.into_bytes(), self.value(depth)?);
                self.space();
                match self.peek()? {
                    b',' => self.at += 1,
                    b'}' => {
                        self.at += 1;
                        break;
                    }
                    _ => return None,
                }
            }
        }
        let mut bytes = [b"o".to_vec(), u32::try_from(members.len()).unwrap().to_be_bytes().to_vec()].concat();
        for (name, value) in members {
            bytes.extend(text(&String::from_utf8(name).unwrap()));
            bytes.extend(value);
        }
        Some(bytes)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = std::str::from_utf8(self.bytes.get(self.at..self.at + 4)?).ok()?;
        self.at += 4;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).unwrap())
    }

    fn string(&mut self) -> Option<String> {
        self.take(b"\"")?;
        let mut out = Vec::new();
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return String::from_utf8(out).ok();
                }
                b'\\' => {
                    self.at += 2;
                    let letter = match self.bytes.get(self.at - 1)? {
                        b'n' => '\n',
                        b't' => '\t',
                        b'r' => '\r',
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        plain @ (b'"' | b'\\' | b'/') => char::from(*plain),
                        b'u' => match self.hex()? {
                            high @ 0xd800..0xdc00 => {
                                self.take(b"\\u")?;
                                let low = self.hex().filter(|low| (0xdc00..0xe000).contains(low))?;
                                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?
                            }
                            other => char::from_u32(other)?,
                        },
                        _ => return None,
                    };
                    out.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                }
                0..0x20 => return None,
                byte => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn digits(&mut self) -> Option<Vec<u8>> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then(|| self.bytes[start..self.at].iter().map(|digit| digit - b'0').collect())
    }

    fn number(&mut self) -> Option<Vec<u8>> {
        let start = self.at;
        let minus = self.take(b"-").is_some();
        let whole = self.digits()?;
        if whole.len() > 1 && whole[0] == 0 {
            return None;
        }
        let fraction = if self.take(b".").is_some() { Some(self.digits()?) } else { None };
        let mut exponent = None;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let negative = self.take(b"-").is_some();
            if !negative {
                let _ = self.take(b"+");
            }
            exponent = Some((negative, self.digits()?));
        }
        let source = std::str::from_utf8(&self.bytes[start..self.at]).unwrap();
        if fraction.is_none() && exponent.is_none() {
            let integer = source.parse::<i128>().ok().filter(|n| (-(1 << 63)..(1 << 64)).contains(n));
            if let Some(integer) = integer.filter(|_| source != "-0") {
                return Some([b"i".to_vec(), text(&integer.to_string())].concat());
            }
        }
        let double = double(&whole, &fraction.unwrap_or_default(), exponent)?;
        let double = if minus { -double } else { double };
        Some([b"d".to_vec(), double.to_be_bytes().to_vec()].concat())
    }
}

/// Steps 1 to 6 of the document. `None`: out of range.
#[expect(clippy::cast_precision_loss, reason = "step 5: the nearest double")]
fn double(whole: &[u8], fraction: &[u8], exponent: Option<(bool, Vec<u8>)>) -> Option<f64> {
    let (mut m, mut e) = (0_u64, 0_i64);
    let append = |m: u64, digit: u8| m.checked_mul(10)?.checked_add(digit.into());
    let mut full = false;
    for digit in whole {
        if let Some(next) = append(m, *digit).filter(|_| !full) {
            m = next;
        } else {
            full = true;
            e += 1;
        }
    }
    if !full {
        for digit in fraction {
            let Some(next) = append(m, *digit) else { break };
            m = next;
            e -= 1;
        }
    }
    if let Some((negative, digits)) = exponent {
        let value = digits.iter().try_fold(0_i64, |n, digit| n.checked_mul(10)?.checked_add(i64::from(*digit)));
        match value.filter(|value| *value <= i64::from(i32::MAX)) {
            Some(value) => e = (e + if negative { -value } else { value }).clamp(i32::MIN.into(), i32::MAX.into()),
            None if negative || m == 0 => return Some(0.0),
            None => return None,
        }
    }
    let mut f = m as f64;
    while e.abs() > 308 && f != 0.0 {
        if e > 0 {
            return None;
        }
        f /= 1e308;
        e += 308;
    }
    if f == 0.0 {
        return Some(f);
    }
    let power: f64 = format!("1e{}", e.abs()).parse().unwrap();
    let f = if e >= 0 { f * power } else { f / power };
    f.is_finite().then_some(f)
}

/// The leaf of a record, by the section "Hashes".
fn leaf(record: &Record, version: u8, details: Option<&str>, salts: [[u8; 16]; 2]) -> Vec<u8> {
    let (Part::Open { value: who, .. }, Part::Open { value: what, .. }) = (&record.who, &record.what) else {
        unreachable!("the records of this test have both parts")
    };
    let who = h(&[
        &text("rylie audit who 1"),
        &salts[0],
        &text(who.actor.whole().unwrap()),
        &opt(who.on_behalf_of.as_ref().and_then(Text::whole)),
        &opt(who.address.as_ref().and_then(Text::whole)),
        &opt(who.user_agent.as_ref().and_then(Text::whole)),
        &opt(who.correlation.as_ref().and_then(Text::whole)),
    ]);
    let d = match (details, version) {
        (None, _) => vec![0],
        (Some(details), 1) => {
            let string = || [b"s".to_vec(), text(details)].concat();
            [vec![1], json(details).unwrap_or_else(string)].concat()
        }
        (Some(details), _) => [vec![2], text(details)].concat(),
    };
    let what = h(&[&text("rylie audit what 1"), &salts[1], &opt(what.resource_id.as_ref().and_then(Text::whole)), &d]);
    let position = record.position.map_or(vec![0], |n| [vec![1], n.to_be_bytes().to_vec()].concat());
    let label = if record.unreadable.is_some() { "rylie audit record 2" } else { "rylie audit record 1" };
    let unreadable = record.unreadable.as_deref().map(text).unwrap_or_default();
    h(&[
        &[0],
        &text(label),
        &text(&record.id),
        &text(&record.tenant),
        &record.created_at.to_be_bytes(),
        &position,
        &text(record.action.whole().unwrap()),
        &text(record.resource.whole().unwrap()),
        &who,
        &what,
        &unreadable,
    ])
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,25}",
        "-?(0|[1-9][0-9]{0,22})\\.[0-9]{1,40}",
        "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,20})?[eE][+-]?[0-9]{1,4}",
        any::<f64>().prop_map(|double| format!("{double:?}")),
        any::<f64>().prop_map(|double| format!("{double:e}")),
        any::<i64>().prop_map(|integer| integer.to_string()),
        any::<u64>().prop_map(|integer| integer.to_string()),
        Just("1e99999999999".to_owned()),
        Just("0e99999999999".to_owned()),
    ]
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,3}".prop_map(|text| format!("\"{text}\"")),
        "\\PC{0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\ud83d\ude00\u0000\/\b""#.to_owned()),
        Just(r#""\ud800""#.to_owned()),
        Just(r#""\ud800\u0041""#.to_owned()),
        Just("\"\u{1}\"".to_owned()),
    ]
}

/// Documents, with duplicate members, white space, and damage in some of them.
fn details() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![3 => number(), 2 => string(), 1 => prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned)];
    let document = leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((string(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("{name} :\t{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    prop_oneof![
        12 => document.clone(),
        2 => (document.clone(), any::<prop::sample::Index>(), any::<char>()).prop_map(|(text, at, letter)| {
            let mut letters: Vec<char> = text.chars().collect();
            let at = at.index(letters.len());
            letters[at] = letter;
            letters.into_iter().collect()
        }),
        1 => (document.clone(), "[ \n\r\t]{0,3}").prop_map(|(text, space)| format!("{space}{text}{space}")),
        1 => (document, "[\\]}x,]").prop_map(|(text, more)| text + &more),
        1 => (120_usize..135).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
        1 => Just(String::new()),
    ]
}

fn optional() -> impl Strategy<Value = Option<String>> {
    prop::option::of("\\PC{0,12}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_reader_of_the_document_agrees_on_records_with_hostile_details(
        texts in ("\\PC{0,12}", "\\PC{0,12}", "\\PC{0,8}", "\\PC{0,8}", "\\PC{0,8}"),
        (on_behalf_of, address, user_agent, correlation, resource_id) in (optional(), optional(), optional(), optional(), optional()),
        (created_at, position) in (any::<i64>(), any::<Option<i64>>()),
        unreadable in prop::option::weighted(0.1, "\\PC{0,8}"),
        details in prop::option::weighted(0.95, details()),
        salts in any::<[[u8; 16]; 2]>(),
    ) {
        let (id, tenant, action, resource, actor) = texts;
        for version in [1, 2] {
            let document = details.clone().map(Text::from).map(if version == 1 { Document::Parsed } else { Document::Text });
            let who = ActorPart {
                actor: actor.as_str().into(), on_behalf_of: on_behalf_of.as_deref().map(Text::from),
                address: address.as_deref().map(Text::from), user_agent: user_agent.as_deref().map(Text::from),
                correlation: correlation.as_deref().map(Text::from),
            };
            let what = TargetPart { resource_id: resource_id.as_deref().map(Text::from), details: document };
            let record = Record {
                id: id.clone(), tenant: tenant.clone(), created_at, position, action: action.as_str().into(),
                resource: resource.as_str().into(), who: Part::Open { value: who, salt: Salt(salts[0]) },
                what: Part::Open { value: what, salt: Salt(salts[1]) }, unreadable: unreadable.clone(),
            };

            let ours = record.leaf();

            prop_assert_eq!(Digest::from_bytes(&leaf(&record, version, details.as_deref(), salts)), Some(ours), "version {}", version);
        }
    }
}
