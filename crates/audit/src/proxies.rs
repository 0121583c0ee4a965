//! Extracts the client's address from a chain of proxies.

use std::net::IpAddr;

use crate::{Error, Result};

/// The networks of trusted proxies, whose statements about their callers are accepted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrustedProxies(Vec<(IpAddr, u8)>);

impl TrustedProxies {
    /// Parses networks such as `10.0.0.0/8` or `2001:db8::/32`, or single addresses. Fails with [`Error::Malformed`]
    /// for another text.
    ///
    /// ```
    /// use rylie_audit::{Origin, TrustedProxies};
    ///
    /// let proxies = TrustedProxies::parse(["10.0.0.0/8"])?;
    /// // The first address is what the client claimed, the second what our proxy saw.
    /// let origin = Origin::from_forwarded("10.0.0.7".parse()?, Some("8.8.8.8, 203.0.113.9"), &proxies);
    ///
    /// assert_eq!(origin.address, Some("203.0.113.9".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        networks.into_iter().map(network).collect::<Result<_>>().map(Self)
    }

    /// Returns the rightmost address that is not a trusted proxy's. The client sent everything to its left and may have
    /// invented it. Returns the peer if it is not trusted or there is no header. Stops at the first unreadable hop.
    ///
    /// `forwarded` is the value of `X-Forwarded-For` or `Forwarded` (RFC 7239); join repeated headers by commas.
    #[must_use]
    pub fn client(&self, peer: IpAddr, forwarded: Option<&str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in outside_quotes(forwarded.unwrap_or_default(), ',').into_iter().rev() {
            if !self.trust(client) {
                break;
            }
            // An entry that no proxy writes ends the chain.
            let Some(address) = hop_address(hop) else { break };
            client = address.to_canonical();
        }
        client
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(network, bits)| contains(*network, *bits, address))
    }
}

fn network(text: &str) -> Result<(IpAddr, u8)> {
    let malformed = Error::Malformed { what: "network", reason: "it must have the form 10.0.0.0/8 or 2001:db8::/32" };
    let (address, bits) =
        text.trim().split_once('/').map_or((text.trim(), None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<IpAddr>() else { return Err(malformed) };
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits.map_or(Ok(most), str::parse::<u8>) {
        Ok(bits) if bits <= most => Ok((address, bits)),
        _ => Err(malformed),
    }
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32 - u32::from(bits);
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128 - u32::from(bits);
            (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Splits a header at a separator, except within quoted strings (RFC 7239, section 4): a proxy may quote what the client
/// sent. An unfinished quoted string is one part.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if letter == separator && !quoted => {
                parts.push(&text[begin..at]);
                begin = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// Parses the address of one hop: `1.2.3.4`, `1.2.3.4:80`, `[::1]:80`, or the `for=` of RFC 7239.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let node = outside_quotes(hop, ';').into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let node = node.unwrap_or(hop).trim_matches('"');
    if let Some((address, _port)) = node.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse().ok().filter(IpAddr::is_ipv6);
    }
    node.parse().ok().or_else(|| node.parse::<std::net::SocketAddrV4>().ok().map(|socket| IpAddr::V4(*socket.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: Option<&str>) -> String {
        let proxies = TrustedProxies::parse(["10.0.0.0/8", "fd00::/8", "192.0.2.1"]).unwrap();
        proxies.client(peer.parse().unwrap(), forwarded).to_string()
    }

    #[test]
    fn a_quoted_string_adds_no_hop() {
        for hidden in ["\"a,b;for=8.8.8.8\"", "\"a\\\",for=8.8.8.8\"", "\"a;for=8.8.8.8;b\""] {
            assert_eq!(client("10.0.0.1", Some(&format!("for=203.0.113.9;host={hidden}"))), "203.0.113.9", "{hidden}");
            assert_eq!(client("10.0.0.1", Some(&format!("host={hidden};for=203.0.113.9"))), "203.0.113.9", "{hidden}");
        }
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client("203.0.113.9", Some("8.8.8.8")), "203.0.113.9");
        assert_eq!(client("::ffff:203.0.113.9", Some("8.8.8.8")), "203.0.113.9");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxys_is_the_clients() {
        assert_eq!(client("10.0.0.1", Some("8.8.8.8, 203.0.113.9, 10.1.1.1")), "203.0.113.9");
        assert_eq!(client("10.0.0.1", Some("203.0.113.9:4711")), "203.0.113.9");
        assert_eq!(client("fd00::1", Some("for=8.8.8.8, For=\"[2001:db8::7]:80\";proto=https")), "2001:db8::7");
        assert_eq!(client("192.0.2.1", None), "192.0.2.1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_chain_at_the_proxy() {
        for hostile in
            ["", ",", "unknown", "for=_hidden", "203.0.113.9 8.8.8.8", "8.8.8.8, <script>", "1.2.3.4.5", "for="]
        {
            assert_eq!(client("10.0.0.1", Some(hostile)), "10.0.0.1", "{hostile}");
        }
    }

    #[test]
    fn a_wrong_network_is_refused() {
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "ten/8", "10.0.0.0/-1"] {
            assert!(TrustedProxies::parse([wrong]).is_err(), "{wrong}");
        }
        let all = TrustedProxies::parse(["0.0.0.0/0"]).unwrap();
        assert_eq!(all.client("1.2.3.4".parse().unwrap(), Some("5.6.7.8")).to_string(), "5.6.7.8");
    }
}
