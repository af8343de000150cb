//! As much of Ethernet, IPv4 and TCP as says whether a frame begins a connection.

/// Whether this frame is the first segment of a TCP connection: IPv4, TCP, SYN without ACK (RFC 791, RFC 9293).
///
/// A driver that cannot accept another connection leaves it out, and the peer tries again.
pub fn begins_connection(frame: &[u8]) -> bool {
    is_syn(frame) == Some(true)
}

/// `None` if it is too short to say.
fn is_syn(frame: &[u8]) -> Option<bool> {
    const IPV4: &[u8] = &[8, 0];
    const TCP: u8 = 6;
    const FRAGMENT_OFFSET: u16 = 0x1fff;
    const SYN: u8 = 0x02;
    const SYN_AND_ACK: u8 = 0x12;
    let packet = frame.get(14..)?;
    let first = *packet.first()?;
    let header_len = usize::from(first & 0x0f) * 4;
    let is_ipv4 = frame.get(12..14)? == IPV4 && first >> 4 == 4 && header_len >= 20;
    // Only the first fragment of a packet has a header of TCP.
    let fragment = u16::from_be_bytes(*packet.get(6..)?.first_chunk()?) & FRAGMENT_OFFSET;
    let is_tcp = is_ipv4 && *packet.get(9)? == TCP && fragment == 0;
    Some(is_tcp && packet.get(header_len + 13)? & SYN_AND_ACK == SYN)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    const SYN: u8 = 2;
    const ACK: u8 = 16;

    /// A frame with so many words of options in the header of IPv4.
    fn frame(options: u8, flags: u8) -> Vec<u8> {
        let mut frame = [0; 14].to_vec();
        frame[12] = 8;
        let header_words = 5 + options;
        let mut header = std::vec![0xff; usize::from(header_words) * 4];
        header[..10].copy_from_slice(&[0x40 | header_words, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
        frame.extend(header);
        let mut segment = [0xff; 20];
        segment[13] = flags;
        frame.extend(segment);
        frame
    }

    fn changed(at: usize, byte: u8) -> Vec<u8> {
        let mut frame = frame(0, SYN);
        frame[at] = byte;
        frame
    }

    #[test]
    fn a_syn_without_an_ack_begins_a_connection() {
        for options in [0, 1, 10] {
            assert!(begins_connection(&frame(options, SYN)));
            // With ECN, whose bits come with it (RFC 3168).
            assert!(begins_connection(&frame(options, SYN | 0xc0)));
            for flags in [0, ACK, SYN | ACK, 4, 4 | ACK, 1 | ACK, 8 | ACK] {
                assert!(!begins_connection(&frame(options, flags)), "{flags:#x}");
            }
        }
    }

    #[test]
    fn other_protocols_and_later_fragments_do_not() {
        assert!(begins_connection(&changed(20, 0x20)), "the first fragment");
        assert!(!begins_connection(&changed(21, 1)), "a later one");
        assert!(!begins_connection(&changed(20, 0x1f)), "a later one");
        assert!(!begins_connection(&changed(23, 17)), "UDP");
        assert!(!begins_connection(&changed(12, 0x86)), "no IPv4");
        assert!(!begins_connection(&changed(13, 6)), "ARP");
        assert!(!begins_connection(&changed(14, 0x55)), "no version 4");
        let mut short = changed(14, 0x44);
        short[14 + 16 + 13] = SYN;
        assert!(!begins_connection(&short), "a header that is too short to be one");
    }

    #[test]
    fn a_frame_that_is_cut_does_not() {
        let whole = frame(10, SYN);
        let flags_end = 14 + 60 + 14;
        for len in 0..=whole.len() {
            assert_eq!(begins_connection(&whole[..len]), len >= flags_end, "{len} bytes");
        }
    }
}
