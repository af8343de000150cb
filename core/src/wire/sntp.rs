//! The time of day by SNTP version 4 (RFC 4330), for a client: what it asks, and what it may believe.

use crate::time::{Duration, Instant, UnixTime};

/// The length of a question and of its answer.
pub const PACKET_BYTES: usize = 48;

/// Seconds from the beginning of NTP's time, 1900, to that of Unix.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;
/// Time between two questions, when the time is known, and after the first that nobody has answered.
const INTERVAL_MS: u64 = 3_600_000;
const RETRY_INTERVAL_MS: u64 = 15_000;

/// A question to a server, and when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    nonce: u64,
    asked: Instant,
}

impl Question {
    /// A question asked at `asked`. An answer must bring `nonce` back: whoever cannot guess it cannot answer for the server.
    pub const fn new(nonce: u64, asked: Instant) -> Self {
        Self { nonce, asked }
    }

    /// The packet to send.
    pub fn packet(&self) -> [u8; PACKET_BYTES] {
        let mut packet = [0; PACKET_BYTES];
        // No leap, version 4, a client. Where its own time would stand, which is no concern of the server's, is the nonce.
        packet[0] = 0x23;
        packet[40..].copy_from_slice(&self.nonce.to_be_bytes());
        packet
    }

    /// Wall time at the origin of the driver's clock, as an answer that came at `now` says. The way there and the way back
    /// are taken to be as long as each other.
    ///
    /// `None` if it is no answer to this question (section 5), or that of a server that does not know the time, or does not
    /// want to be asked (section 8).
    pub fn origin(&self, answer: &[u8], now: Instant) -> Option<UnixTime> {
        const CLOCK_NOT_SET: u8 = 3;
        const SERVER: u8 = 4;
        const STRATUM_MAX: u8 = 15;
        let answer: &[u8; PACKET_BYTES] = answer.try_into().ok()?;
        let &[first, stratum, ..] = answer;
        let is_server = first & 7 == SERVER && first >> 6 != CLOCK_NOT_SET && (1..=STRATUM_MAX).contains(&stratum);
        let is_ours = answer[24..32] == self.nonce.to_be_bytes();
        let transmitted = u64::from_be_bytes(*answer.last_chunk()?);
        if !is_server || !is_ours || transmitted == 0 {
            return None;
        }
        let half_trip = now.since(self.asked).as_ms() / 2;
        let since_origin = i64::try_from(now.as_ms().saturating_sub(half_trip)).ok()?;
        unix_ms(transmitted).checked_sub(since_origin).map(UnixTime::from_ms)
    }
}

/// Time to wait before the next question, after so many in a row that were not answered; none were, after an answer.
/// Servers are asked every 15 seconds at most, and those that do not answer less and less (section 10).
pub fn pause(unanswered: u32) -> Duration {
    let Some(doublings) = unanswered.checked_sub(1) else { return Duration::from_ms(INTERVAL_MS) };
    Duration::from_ms((RETRY_INTERVAL_MS << doublings.min(8)).min(INTERVAL_MS))
}

/// A timestamp of NTP: seconds and a fraction. Seconds that have their highest bit clear are in the era that begins in 2036
/// (section 3).
const fn unix_ms(timestamp: u64) -> i64 {
    let (seconds, fraction) = ((timestamp >> 32) as i64, timestamp & 0xffff_ffff);
    let era = if seconds >> 31 == 0 { 1 << 32 } else { 0 };
    (seconds + era - NTP_TO_UNIX_S) * 1_000 + ((fraction * 1_000) >> 32) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::chance::Chance;

    const NONCE: u64 = 0x0123_4567_89ab_cdef;
    /// 2026-11-24T16:50:37 and a half.
    const SECONDS: u32 = (1_795_539_037 + NTP_TO_UNIX_S) as u32;
    const HALF: u32 = 1 << 31;

    fn asked() -> Question {
        Question::new(NONCE, Instant::from_ms(1_000))
    }

    /// What a server says to a question: its transmit timestamp is given back as the originate timestamp.
    fn answer(question: &Question, seconds: u32, fraction: u32) -> [u8; PACKET_BYTES] {
        let mut packet = [0; PACKET_BYTES];
        packet[..4].copy_from_slice(&[0x24, 2, 0, 0xec]);
        packet[24..32].copy_from_slice(&question.packet()[40..]);
        packet[40..44].copy_from_slice(&seconds.to_be_bytes());
        packet[44..].copy_from_slice(&fraction.to_be_bytes());
        packet
    }

    fn origin(packet: &[u8]) -> Option<i64> {
        asked().origin(packet, Instant::from_ms(1_200)).map(UnixTime::as_ms)
    }

    #[test]
    fn a_question_is_that_of_a_client_and_says_nothing_of_its_own_time() {
        let packet = asked().packet();
        assert_eq!(packet[0], 4 << 3 | 3);
        assert!(packet[1..40].iter().all(|byte| *byte == 0));
        assert_eq!(packet[40..], NONCE.to_be_bytes());
    }

    #[test]
    fn an_answer_gives_the_time_of_the_clocks_origin() {
        // It was on its way for 100 ms, 1.1 seconds after the origin.
        assert_eq!(origin(&answer(&asked(), SECONDS, HALF)), Some(1_795_539_037_500 - 1_100));
        // A clock that went backwards makes no trip shorter than none.
        let back = asked().origin(&answer(&asked(), SECONDS, HALF), Instant::from_ms(400));
        assert_eq!(back, Some(UnixTime::from_ms(1_795_539_037_500 - 400)));
    }

    #[test]
    fn the_era_that_begins_in_2036_follows_the_one_that_began_in_1900() {
        for (seconds, fraction, text) in [
            (0x8000_0000, 0, "1968-01-20T03:14:08.000Z"),
            (u32::MAX, u32::MAX, "2036-02-07T06:28:15.999Z"),
            (0, 1, "2036-02-07T06:28:16.000Z"),
            (0x7fff_ffff, 0, "2104-02-26T09:42:23.000Z"),
        ] {
            let question = Question::new(NONCE, Instant::default());
            let origin = question.origin(&answer(&question, seconds, fraction), Instant::default());
            assert_eq!(origin.expect("an answer").rfc3339().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_not_believed() {
        let right = answer(&asked(), SECONDS, HALF);
        assert!(origin(&right).is_some());
        let wrong = |at: usize, byte: u8| {
            let mut packet = right;
            packet[at] = byte;
            origin(&packet)
        };
        assert_eq!(wrong(0, 0xe4), None, "a clock that is not set");
        for mode in [0, 1, 2, 3, 5, 6, 7] {
            assert_eq!(wrong(0, 0x20 | mode), None, "mode {mode}");
        }
        assert_eq!(wrong(1, 0), None, "a server that does not want to be asked");
        assert_eq!(wrong(1, 16), None, "a stratum that there is not");
        for (at, byte) in (24..).zip(&right[24..32]) {
            assert_eq!(wrong(at, byte ^ 1), None, "another question's");
        }
        assert_eq!(origin(&answer(&asked(), 0, 0)), None, "no time");
        assert_eq!(origin(&right[..47]), None);
        assert_eq!(origin(&[&right[..], &[0]].concat()), None);
    }

    #[test]
    fn no_answer_does_harm_and_a_nonce_that_is_guessed_is_the_exception() {
        let mut chance = Chance::seeded(7);
        for _ in 0..20_000 {
            let mut packet = [0; PACKET_BYTES + 4];
            let len = chance.below(packet.len() + 1);
            chance.fill(&mut packet[..len]);
            let now = Instant::from_ms(chance.number() >> chance.below(64));
            assert_eq!(Question::new(NONCE, now).origin(&packet[..len], now), None);
            if let Some(originated) = packet.get_mut(24..32) {
                originated.copy_from_slice(&NONCE.to_be_bytes());
            }
            // Whatever it says, the time it gives can be written.
            if let Some(origin) = asked().origin(&packet[..len], now) {
                assert!(origin.rfc3339().as_str().ends_with('Z'));
            }
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_asked_less_and_less() {
        let seconds = [3_600, 15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600];
        for (unanswered, seconds) in (0..).zip(seconds) {
            assert_eq!(pause(unanswered), Duration::from_ms(seconds * 1_000));
        }
        assert_eq!(pause(u32::MAX), Duration::from_ms(INTERVAL_MS));
    }
}
