//! Networks, as in `--trust-proxy 10.0.0.0/8`.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use super::values::ValueProblem;

/// A network of addresses (RFC 4632): those that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix_bits: u8,
}

impl Cidr {
    /// Whether an address is in it. An IPv4 address that came by IPv6 is what it is.
    ///
    /// ```
    /// use sprat::config::Cidr;
    ///
    /// let network: Cidr = "10.0.0.0/8".parse()?;
    /// assert!(network.contains("10.1.2.3".parse().unwrap()));
    /// assert!(!network.contains("11.1.2.3".parse().unwrap()));
    /// # Ok::<(), sprat::config::ValueProblem>(())
    /// ```
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = ValueProblem;

    /// Reads an address, or an address and the bits that count behind a slash.
    fn from_str(value: &str) -> Result<Self, ValueProblem> {
        let problem = || ValueProblem::new(value, "is not a network like 10.0.0.0/8, 192.168.1.7 or fd00::/8");
        let (address, bits) = value.split_once('/').map_or((value, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| problem())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |bits: &&str| bits.bytes().all(|byte| byte.is_ascii_digit());
        let prefix_bits = match bits {
            None => bits_max,
            Some(bits) => Some(bits).filter(is_number).and_then(|bits| bits.parse().ok()).ok_or_else(problem)?,
        };
        if prefix_bits > bits_max {
            return Err(problem());
        }
        Ok(Self { address, prefix_bits })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_network_whose_first_bits_it_has() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.8"),
            ("192.168.1.128/25", "192.168.1.129", "192.168.1.127"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
            ("::/0", "fd00::1", "8.8.8.8"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ] {
            let network: Cidr = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "x", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0/8", "::/129", "::/-1", "/8", "1.2.3.4/256"]
        {
            let problem = text.parse::<Cidr>().unwrap_err().to_string();
            assert!(problem.contains("is not a network like 10.0.0.0/8"), "{text}: {problem}");
        }
    }
}
