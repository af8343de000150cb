//! Packets as MessagePack: each is one message, with its attachments inside.

use crate::app::{Attachment, Attachments};
use crate::error::{CapacityError, PeerError};
use crate::frames::{Beside, FrameId, Frames};
use crate::limits::Limits;
use crate::memory::Memory;
use crate::socket::Sockets;
use crate::socket::attachments::Complete;
use crate::wire::socket::Packet;
use crate::wire::{decimal, msgpack};

/// Why a message of MessagePack is no packet with its attachments.
pub(crate) enum Undecoded {
    Capacity,
    Malformed(PeerError),
}

impl From<CapacityError> for Undecoded {
    fn from(_: CapacityError) -> Self {
        Self::Capacity
    }
}

impl From<PeerError> for Undecoded {
    fn from(problem: PeerError) -> Self {
        Self::Malformed(problem)
    }
}

impl<M: Memory> Sockets<M> {
    /// Encodes a packet, with its attachments inside, as MessagePack.
    // What it counts with is on the stack; not to be inlined into what does not need it.
    #[inline(never)]
    pub(crate) fn encode_msgpack(
        &mut self,
        packet: &Packet<'_>,
        attachments: Attachments<'_>,
        offset: Option<u64>,
    ) -> Result<FrameId, CapacityError> {
        let mut digits = [0; 20];
        let offset = offset.and_then(|offset| core::str::from_utf8(decimal(offset, &mut digits)).ok());
        let mut frames = heapless::Vec::<FrameId, { Limits::ATTACHMENTS_CAP }, u8>::new();
        let mut bytes: &[&[u8]] = &[];
        match attachments {
            Attachments::Bytes(own) => bytes = own,
            Attachments::Held(held) => frames.extend(held.iter().map(|held| held.0).take(Limits::ATTACHMENTS_CAP)),
            Attachments::None => {}
        }
        let len = if frames.is_empty() {
            msgpack::encoded_len(packet, offset, bytes)
        } else {
            let bytes: Beside<'_> = frames.iter().map(|frame| self.engine.frames.bytes(*frame)).collect();
            msgpack::encoded_len(packet, offset, &bytes)
        };
        let len = len.map_err(|_| CapacityError::Payload)?;
        self.engine.insert_frame_beside(len, &frames, &mut |buffer, beside| {
            let attachments = if frames.is_empty() { bytes } else { beside };
            // The same bytes were counted.
            msgpack::encode(packet, offset, attachments, buffer).map_or(0, |()| len)
        })
    }

    /// Reads a message of MessagePack: its text, and its attachments, in frames that are to be released.
    pub(crate) fn decode_msgpack(&mut self, bytes: &[u8]) -> Result<Complete, Undecoded> {
        let message = msgpack::Message::parse(bytes, &self.packet_limits())?;
        let header = self.engine.insert_encoded(&mut |put| message.put_text(put))?;
        let mut complete = Complete { header, attachments: heapless::Vec::new() };
        for bytes in message.attachments() {
            let pushed = self.engine.insert_bytes(bytes).map(|frame| complete.attachments.push(Attachment(frame)));
            match pushed {
                Ok(Ok(())) => {}
                Ok(Err(attachment)) => {
                    self.engine.frames.release(attachment.0);
                    self.release_complete(complete);
                    return Err(PeerError::Attachments.into());
                }
                Err(_) => {
                    self.release_complete(complete);
                    return Err(Undecoded::Capacity);
                }
            }
        }
        Ok(complete)
    }
}
