//! IP addresses and networks, as Go's `net/netip` reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::string_format::quoted;
use super::{Function, mismatch};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{Cidr, Value};

/// An address without zone; mapped IPv4 addresses are refused.
fn parse_ip(text: &str) -> Result<IpAddr, String> {
    if let Some((address, _)) = text.split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return Err(format!(
            "IP address {} with zone value is not allowed",
            quoted(text)
        ));
    }
    let address: IpAddr = text.parse().map_err(|_| {
        format!(
            "IP Address {} parse error during conversion from string: ParseAddr({0}): unable to \
             parse IP",
            quoted(text)
        )
    })?;
    if is_mapped(address) {
        return Err(format!(
            "IPv4-mapped IPv6 address {} is not allowed",
            quoted(text)
        ));
    }
    Ok(address)
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

fn parse_cidr(text: &str) -> Result<Cidr, String> {
    let problem = |problem: &str| {
        format!(
            "network address parse error during conversion from string: netip.ParsePrefix({}): \
             {problem}",
            quoted(text)
        )
    };
    let (address, bits) = text.rsplit_once('/').ok_or_else(|| problem("no '/'"))?;
    if address.contains('%') {
        return Err(problem("IPv6 zones cannot be present in a prefix"));
    }
    let address: IpAddr = address
        .parse()
        .map_err(|_| problem("unable to parse IP"))?;
    let well_formed =
        bits.bytes().all(|byte| byte.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let bits: u8 = bits
        .parse()
        .ok()
        .filter(|_| well_formed)
        .ok_or_else(|| problem("bad bits after slash"))?;
    if bits > width(address) {
        return Err(problem("prefix length out of range"));
    }
    if is_mapped(address) {
        return Err(format!(
            "IPv4-mapped IPv6 address {} is not allowed",
            quoted(text)
        ));
    }
    Ok(Cidr { address, bits })
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with everything beyond the prefix zero.
fn mask(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(bits.min(128)))
                .unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

fn contains(network: Cidr, address: IpAddr) -> bool {
    network.address.is_ipv4() == address.is_ipv4()
        && mask(network.address, network.bits) == mask(address, network.bits)
}

fn contains_network(outer: Cidr, inner: Cidr) -> bool {
    outer.bits <= inner.bits && contains(outer, inner.address)
}

fn is_global_unicast(address: IpAddr) -> bool {
    let multicast = address.is_multicast();
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(multicast
        || broadcast
        || address.is_unspecified()
        || address.is_loopback()
        || is_link_local_unicast(address))
}

fn is_link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        IpAddr::V6(address) => matches!(address.segments(), [first, ..] if first & 0xff0f == 0xff02),
    }
}

fn text<'v>(name: &str, args: &'v [Value<'_>]) -> Result<&'v str, Failure> {
    match args {
        [Value::String(text)] => Ok(text.as_str()),
        _ => Err(mismatch(name, args)),
    }
}

fn ip<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    parse_ip(text("ip", args)?)
        .map(Value::Ip)
        .map_err(Failure::argument)
}

fn cidr_ip<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Cidr(cidr)] => Ok(Value::Ip(cidr.address)),
        _ => Err(mismatch("ip", args)),
    }
}

fn cidr<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    parse_cidr(text("cidr", args)?)
        .map(Value::Cidr)
        .map_err(network_problem)
}

/// The prefix that upstream puts before the problem once more.
fn network_problem(problem: String) -> Failure {
    Failure::argument(format!(
        "network address parse error during conversion from string: {problem}"
    ))
}

fn is_canonical<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let text = text("ip.isCanonical", args)?;
    let address = parse_ip(text).map_err(Failure::argument)?;
    Ok(Value::Bool(address.to_string() == text))
}

fn address_test<'a>(
    name: &str,
    args: &[Value<'a>],
    test: impl Fn(IpAddr) -> bool,
) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Ip(address)] => Ok(Value::Bool(test(*address))),
        _ => Err(mismatch(name, args)),
    }
}

fn contains_ip<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Cidr(network), Value::Ip(address)] => {
            Ok(Value::Bool(contains(*network, *address)))
        }
        [Value::Cidr(network), Value::String(text)] => {
            let address = parse_ip(text.as_str()).map_err(|_| Failure::no_such_overload())?;
            Ok(Value::Bool(contains(*network, address)))
        }
        _ => Err(mismatch("containsIP", args)),
    }
}

fn contains_cidr<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Cidr(outer), Value::Cidr(inner)] => {
            Ok(Value::Bool(contains_network(*outer, *inner)))
        }
        [Value::Cidr(outer), Value::String(text)] => {
            let inner = parse_cidr(text.as_str()).map_err(network_problem)?;
            Ok(Value::Bool(contains_network(*outer, inner)))
        }
        _ => Err(mismatch("containsCIDR", args)),
    }
}

fn masked<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Cidr(network)] => Ok(Value::Cidr(Cidr {
            address: mask(network.address, network.bits),
            bits: network.bits,
        })),
        _ => Err(mismatch("masked", args)),
    }
}

fn prefix_length<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Cidr(network)] => Ok(Value::Int(i64::from(network.bits))),
        _ => Err(mismatch("prefixLength", args)),
    }
}

fn family<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Ip(address)] => Ok(Value::Int(if address.is_ipv4() { 4 } else { 6 })),
        _ => Err(mismatch("family", args)),
    }
}

/// The functions of this module.
pub(crate) fn function(name: &str, overload: Option<&str>) -> Option<Function> {
    Some(match name {
        "ip" if overload == Some("cidr_ip") => cidr_ip,
        "ip" => ip,
        "isIP" => |_, args| Ok(Value::Bool(parse_ip(text("isIP", args)?).is_ok())),
        "ip.isCanonical" => is_canonical,
        "family" => family,
        "isUnspecified" => {
            |_, args| address_test("isUnspecified", args, |address| address.is_unspecified())
        }
        "isLoopback" => |_, args| address_test("isLoopback", args, |address| address.is_loopback()),
        "isLinkLocalMulticast" => {
            |_, args| address_test("isLinkLocalMulticast", args, is_link_local_multicast)
        }
        "isLinkLocalUnicast" => {
            |_, args| address_test("isLinkLocalUnicast", args, is_link_local_unicast)
        }
        "isGlobalUnicast" => {
            |_, args| address_test("isGlobalUnicast", args, is_global_unicast)
        }
        "cidr" => cidr,
        "isCIDR" => |_, args| Ok(Value::Bool(parse_cidr(text("isCIDR", args)?).is_ok())),
        "containsIP" => contains_ip,
        "containsCIDR" => contains_cidr,
        "masked" => masked,
        "prefixLength" => prefix_length,
        _ => return None,
    })
}
