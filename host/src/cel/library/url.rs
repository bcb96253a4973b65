//! URLs, as Go's `net/url` reads, takes apart and writes them.

use std::fmt;
use std::net::IpAddr;

use super::string_format::quoted;
use super::{Function, mismatch};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{Entries, Value};

/// A URL. What was percent-encoded is kept as bytes: it need not be text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: String,
    opaque: String,
    /// Name and password, decoded.
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    host: String,
    path: Vec<u8>,
    raw_path: String,
    omit_host: bool,
    force_query: bool,
    raw_query: String,
    fragment: Vec<u8>,
    raw_fragment: String,
}

/// What a part of a URL may contain without being encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Query,
    Fragment,
}

impl Part {
    fn allows(self, byte: u8) -> bool {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            return true;
        }
        let extra: &[u8] = match self {
            Self::Path => b"$&+,/:;=@",
            Self::Host | Self::Zone => b"!\"$&'()*+,:;<=>[]",
            Self::User => b"$&+,;=",
            Self::Query => b"",
            Self::Fragment => b"!$&()*+,/:;=?@",
        };
        extra.contains(&byte)
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let end = (at + 3).min(bytes.len());
                let shown = || {
                    let sequence = bytes.get(at..end).unwrap_or_default();
                    format!(
                        "invalid URL escape {}",
                        quoted(&String::from_utf8_lossy(sequence))
                    )
                };
                let digit = |offset: usize| bytes.get(at + offset).copied().and_then(hex);
                let (Some(high), Some(low)) = (digit(1), digit(2)) else {
                    return Err(shown());
                };
                let value = high << 4 | low;
                let is_percent = value == b'%';
                // In a host only what is not ASCII may be encoded; in a zone a little more.
                if part == Part::Host && high < 8 && !is_percent {
                    return Err(shown());
                }
                if part == Part::Zone && !is_percent && value != b' ' && !Part::Host.allows(value)
                {
                    return Err(shown());
                }
                out.push(value);
                at += 3;
                continue;
            }
            b'+' if part == Part::Query => out.push(b' '),
            byte if matches!(part, Part::Host | Part::Zone)
                && byte.is_ascii()
                && !part.allows(byte) =>
            {
                return Err(format!(
                    "invalid character {} in host name",
                    quoted(&char::from(byte).to_string())
                ));
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    Ok(out)
}

fn escape(bytes: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if part.allows(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Whether an encoding that is not ours is one all the same.
fn is_valid_encoding(text: &str, part: Part) -> bool {
    text.bytes()
        .all(|byte| b"!$&'()*+,;=:@[]%".contains(&byte) || part.allows(byte))
}

/// The scheme, if there is one, and what follows its colon.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => {
                let (scheme, rest) = text.split_at(index);
                return Ok((scheme, rest.get(1..).unwrap_or_default()));
            }
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn is_optional_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_host(scheme: &str, host: &str) -> Result<String, String> {
    let bad_port = |port: &str| format!("invalid port {} after host", quoted(port));
    if let Some(open) = host.rfind('[') {
        if open > 0 {
            return Err("invalid IP-literal".to_owned());
        }
        let close = host.rfind(']').ok_or("missing ']' in host")?;
        let port = host.get(close + 1..).unwrap_or_default();
        if !is_optional_port(port) {
            return Err(bad_port(port));
        }
        let port = lossy(unescape(port, Part::Host)?);
        let name = host.get(1..close).unwrap_or_default();
        let name = match name.find("%25") {
            Some(zone) => {
                let (address, zone) = name.split_at(zone);
                let mut name = unescape(address, Part::Host)?;
                name.extend(unescape(zone, Part::Zone)?);
                lossy(name)
            }
            None => lossy(unescape(name, Part::Host)?),
        };
        let (address, zone) = name
            .split_once('%')
            .map_or((name.as_str(), None), |(address, zone)| {
                (address, Some(zone))
            });
        match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) if zone != Some("") => {}
            Ok(IpAddr::V4(_)) if zone.is_none() => return Err("invalid IP-literal".to_owned()),
            _ => {
                return Err(format!(
                    "invalid host: ParseAddr({}): unable to parse IP",
                    quoted(&name)
                ));
            }
        }
        return Ok(format!("[{name}]{port}"));
    }
    if let Some(first) = host.find(':') {
        let strict = matches!(scheme, "http" | "https");
        let colon = if strict {
            first
        } else {
            host.rfind(':').unwrap_or(first)
        };
        let port = host.get(colon..).unwrap_or_default();
        if !is_optional_port(port) {
            return Err(bad_port(port));
        }
    }
    unescape(host, Part::Host).map(lossy)
}

fn is_userinfo(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte))
}

impl Url {
    /// Go's `Parse` without the fragment, or with `request` its `ParseRequestURI`.
    fn parse_part(text: &str, request: bool) -> Result<Self, String> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        if text.is_empty() && request {
            return Err("empty url".to_owned());
        }
        let mut url = Self::default();
        if text == "*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let mut rest = match rest.strip_suffix('?') {
            Some(before) if !before.contains('?') => {
                url.force_query = true;
                before
            }
            _ => match rest.split_once('?') {
                Some((before, query)) => {
                    url.raw_query = query.to_owned();
                    before
                }
                None => rest,
            },
        };
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_owned();
                return Ok(url);
            }
            if request {
                return Err("invalid URI for request".to_owned());
            }
            if rest.split('/').next().is_some_and(|first| first.contains(':')) {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let may_have_authority = !url.scheme.is_empty() || (!request && !rest.starts_with("///"));
        if may_have_authority && let Some(after) = rest.strip_prefix("//") {
            let end = after.find('/').unwrap_or(after.len());
            let (authority, path) = after.split_at(end);
            rest = path;
            url.set_authority(authority)?;
        } else if !url.scheme.is_empty() && rest.starts_with('/') {
            url.omit_host = true;
        }
        url.path = unescape(rest, Part::Path)?;
        if escape(&url.path, Part::Path) != rest {
            url.raw_path = rest.to_owned();
        }
        Ok(url)
    }

    fn set_authority(&mut self, authority: &str) -> Result<(), String> {
        let Some((user, host)) = authority.rsplit_once('@') else {
            self.host = parse_host(&self.scheme, authority)?;
            return Ok(());
        };
        self.host = parse_host(&self.scheme, host)?;
        if !is_userinfo(user) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        self.user = Some(match user.split_once(':') {
            None => (unescape(user, Part::User)?, None),
            Some((name, password)) => (
                unescape(name, Part::User)?,
                Some(unescape(password, Part::User)?),
            ),
        });
        Ok(())
    }

    /// Go's `Parse`.
    fn parse(text: &str) -> Result<Self, String> {
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut url = Self::parse_part(before, false).map_err(|problem| wrap(before, &problem))?;
        if !fragment.is_empty() {
            url.fragment =
                unescape(fragment, Part::Fragment).map_err(|problem| wrap(text, &problem))?;
            if escape(&url.fragment, Part::Fragment) != fragment {
                url.raw_fragment = fragment.to_owned();
            }
        }
        Ok(url)
    }

    fn escaped(bytes: &[u8], raw: &str, part: Part) -> String {
        if !raw.is_empty()
            && is_valid_encoding(raw, part)
            && unescape(raw, part).is_ok_and(|decoded| decoded == bytes)
        {
            return raw.to_owned();
        }
        escape(bytes, part)
    }

    fn escaped_path(&self) -> String {
        if self.raw_path.is_empty() && self.path == b"*" {
            return "*".to_owned();
        }
        Self::escaped(&self.path, &self.raw_path, Part::Path)
    }

    fn split_host(&self) -> (&str, &str) {
        let mut host = self.host.as_str();
        let mut port = "";
        if let Some(colon) = host.rfind(':') {
            let (before, after) = host.split_at(colon);
            if is_optional_port(after) {
                host = before;
                port = after.get(1..).unwrap_or_default();
            }
        }
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        (bare.unwrap_or(host), port)
    }

    /// The parameters of the query; what cannot be decoded is left out.
    fn query<'a>(&self) -> Vec<(String, Vec<Value<'a>>)> {
        const MOST: usize = 10_000;
        let mut found: Vec<(String, Vec<Value<'a>>)> = Vec::new();
        let mut places = std::collections::BTreeMap::new();
        if self.raw_query.split('&').count() > MOST {
            return found;
        }
        for pair in self.raw_query.split('&') {
            if pair.is_empty() || pair.contains(';') {
                continue;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Ok(key), Ok(value)) = (unescape(key, Part::Query), unescape(value, Part::Query))
            else {
                continue;
            };
            let (key, value) = (lossy(key), Value::string(lossy(value)));
            let place = *places.entry(key.clone()).or_insert_with(|| {
                found.push((key, Vec::new()));
                found.len() - 1
            });
            if let Some((_, values)) = found.get_mut(place) {
                values.push(value);
            }
        }
        found
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let has_authority = !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some();
            let omitted = self.omit_host && self.host.is_empty() && self.user.is_none();
            if has_authority && !omitted {
                if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                    out.push_str("//");
                }
                if let Some((name, password)) = &self.user {
                    out.push_str(&escape(name, Part::User));
                    if let Some(password) = password {
                        out.push(':');
                        out.push_str(&escape(password, Part::User));
                    }
                    out.push('@');
                }
                out.push_str(&escape(self.host.as_bytes(), Part::Host));
            }
            let path = self.escaped_path();
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty() && path.split('/').next().is_some_and(|first| first.contains(':')) {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query || !self.raw_query.is_empty() {
            out.push('?');
            out.push_str(&self.raw_query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&Self::escaped(
                &self.fragment,
                &self.raw_fragment,
                Part::Fragment,
            ));
        }
        f.write_str(&out)
    }
}

fn wrap(text: &str, problem: &str) -> String {
    format!("parse {}: {problem}", quoted(text))
}

/// Go's `ParseRequestURI`: what is wrong with the text as the URL of a request.
pub(super) fn request_problem(text: &str) -> Option<String> {
    Url::parse_part(text, true)
        .err()
        .map(|problem| wrap(text, &problem))
}

fn url<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [Value::String(text)] = args else {
        return Err(mismatch("url", args));
    };
    let text = text.as_str();
    let parsed = match request_problem(text) {
        Some(problem) => Err(problem),
        None => Url::parse(text),
    };
    match parsed {
        Ok(url) => Ok(Value::Url(url.into())),
        Err(problem) => Err(Failure::argument(format!(
            "URL parse error during conversion from string: {problem}"
        ))),
    }
}

fn is_url<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::String(text)] => Ok(Value::Bool(request_problem(text.as_str()).is_none())),
        _ => Err(mismatch("isURL", args)),
    }
}

fn text_part<'a>(
    name: &str,
    args: &[Value<'a>],
    part: impl Fn(&Url) -> String,
) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Url(url)] => Ok(Value::string(part(url))),
        _ => Err(mismatch(name, args)),
    }
}

fn get_query<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [Value::Url(url)] = args else {
        return Err(mismatch("getQuery", args));
    };
    frame.work(url.raw_query.len() as u64)?;
    let mut entries = Entries::default();
    for (key, values) in url.query() {
        entries.set(&Value::string(key), Value::list(values))?;
    }
    Ok(Value::entries(entries))
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "url" => url,
        "isURL" => is_url,
        "getScheme" => |_, args| text_part("getScheme", args, |url| url.scheme.clone()),
        "getHost" => |_, args| text_part("getHost", args, |url| url.host.clone()),
        "getHostname" => {
            |_, args| text_part("getHostname", args, |url| url.split_host().0.to_owned())
        }
        "getPort" => |_, args| text_part("getPort", args, |url| url.split_host().1.to_owned()),
        "getEscapedPath" => |_, args| text_part("getEscapedPath", args, Url::escaped_path),
        "getQuery" => get_query,
        _ => return None,
    })
}
