//! Binary packets (Socket.IO protocol, "Binary event"): the text comes first and announces how many attachments follow.

use crate::app::Attachment;
use crate::engine::Received;
use crate::error::{CapacityError, PeerError};
use crate::frames::{FrameId, Frames};
use crate::limits::Limits;
use crate::memory::Memory;
use crate::socket::Sockets;

/// A binary packet with all its attachments; its frames are to be released.
pub(crate) struct Complete {
    pub(crate) header: FrameId,
    pub(crate) attachments: heapless::Vec<Attachment, { Limits::ATTACHMENTS_CAP }, u8>,
}

/// What came of one more binary message.
pub(crate) enum Progress {
    Complete(Complete),
    /// More are to come.
    Incomplete,
    /// Nobody announced it, or it is too much.
    Malformed,
}

impl<M: Memory> Sockets<M> {
    /// Whether attachments are awaited, so that a text may not come.
    pub(crate) fn is_assembling(&self, session: u32) -> bool {
        self.engine.sessions[session].assembly.header.is_some()
    }

    /// Keeps the text of a packet until its attachments are there.
    pub(crate) fn begin_assembly(&mut self, session: u32, text: &str, attachments: u8) -> Result<(), CapacityError> {
        let header = self.engine.insert_bytes(text.as_bytes())?;
        if !self.engine.sessions[session].is_open() {
            // Making room for it has cost this very client its session.
            self.engine.frames.release(header);
            return Ok(());
        }
        self.engine.occupy_memory(session);
        let assembly = &mut self.engine.sessions[session].assembly;
        assembly.header = Some(header);
        assembly.expected = attachments;
        Ok(())
    }

    /// Adds a binary message to the packet it belongs to.
    pub(crate) fn continue_assembly(&mut self, session: u32, message: Received<'_>) -> Progress {
        if !self.is_assembling(session) {
            return Progress::Malformed;
        }
        let Ok(frame) = self.insert_received(message) else { return Progress::Malformed };
        // Making room for it may have cost this very client its session.
        if !self.is_assembling(session) || self.assembly_bytes(session, frame) > self.payload_bytes_max() {
            self.engine.frames.release(frame);
            return Progress::Malformed;
        }
        let assembly = &mut self.engine.sessions[session].assembly;
        if assembly.attachments.push(frame).is_err() {
            self.engine.frames.release(frame);
            return Progress::Malformed;
        }
        if assembly.attachments.len() < usize::from(assembly.expected) {
            if self.engine.sessions[session].outbox.is_empty() {
                // What waits for it meanwhile is not taken by sending more.
                self.engine.restart_stalled(session);
            }
            return Progress::Incomplete;
        }
        let assembly = core::mem::take(assembly);
        self.engine.release_memory(session);
        match assembly.header {
            Some(header) => Progress::Complete(Complete {
                header,
                attachments: assembly.attachments.into_iter().map(Attachment).collect(),
            }),
            None => Progress::Malformed,
        }
    }

    pub(crate) fn release_complete(&mut self, complete: Complete) {
        let attachments = complete.attachments.into_iter().map(|attachment| attachment.0);
        for frame in core::iter::once(complete.header).chain(attachments) {
            self.engine.frames.release(frame);
        }
    }

    /// Stores the bytes of a binary message.
    pub(crate) fn insert_received(&mut self, message: Received<'_>) -> Result<FrameId, PeerError> {
        let frame = match message {
            Received::Base64(text) => self.engine.insert_base64(text),
            Received::Binary(bytes) => self.engine.insert_bytes(bytes),
            Received::Text(text) => self.engine.insert_bytes(text.as_bytes()),
        };
        frame.map_err(|_| PeerError::TooLarge)
    }

    /// An event with its attachments is at most one maximal payload.
    fn assembly_bytes(&self, session: u32, last: FrameId) -> usize {
        let assembly = &self.engine.sessions[session].assembly;
        let frames = assembly.header.iter().chain(&assembly.attachments).chain(core::iter::once(&last));
        frames.map(|frame| self.engine.frames.bytes(*frame).len()).sum()
    }

    fn payload_bytes_max(&self) -> usize {
        self.engine.limits.payload_bytes_max as usize
    }
}
