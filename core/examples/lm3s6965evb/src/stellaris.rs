//! The Ethernet controller of the LM3S6965: frames go through a FIFO, word by word, into and out of one buffer each.

use core::task::Context;

use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::waitqueue::GenericAtomicWaker;
use static_cell::ConstStaticCell;

const BASE: usize = 0x4004_8000;
/// Interrupts that have come (RIS); to write a one acknowledges it.
const STATUS: usize = 0x00;
/// Interrupts that are let through.
const MASK: usize = 0x04;
const RECEIVE_CONTROL: usize = 0x08;
const TRANSMIT_CONTROL: usize = 0x0c;
const DATA: usize = 0x10;
const ADDRESS_LOW: usize = 0x14;
const ADDRESS_HIGH: usize = 0x18;
/// How many frames have come.
const FRAMES: usize = 0x34;
const TRANSMIT_REQUEST: usize = 0x38;

/// A frame has come.
const RECEIVED: u32 = 1;
/// Receive, drop frames with a wrong checksum; and before that, empty the FIFO.
const RECEIVE: u32 = 1 | 1 << 3;
const EMPTY_FIFO: u32 = 1 << 4;
/// Transmit, pad short frames, add the checksum, in both directions at once.
const TRANSMIT: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 4;
const INTERRUPT: i16 = 42;

const MAC: [u8; 6] = [0x02, 0x53, 0x70, 0x72, 0x61, 0x74];
/// The longest frame, without its checksum: 14 bytes of header, 1,500 of content.
const FRAME_BYTES: usize = 1_514;

static WAKER: GenericAtomicWaker<CriticalSectionRawMutex> = GenericAtomicWaker::new(CriticalSectionRawMutex::new());

/// One frame each way. One serves both directions in turn: the stack is done with what came before it sends.
static BUFFERS: ConstStaticCell<[[u8; FRAME_BYTES]; 2]> = ConstStaticCell::new([[0; FRAME_BYTES]; 2]);

fn read(register: usize) -> u32 {
    // SAFETY: a register of this part's Ethernet controller, which only this file uses.
    unsafe { ((BASE + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as for `read`.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) }
}

/// All interrupts but the processor's own come here.
#[exception]
unsafe fn DefaultHandler(number: i16) {
    if number == INTERRUPT {
        // It stays up until the frame is taken: shut it off, the driver lets it through again.
        write(MASK, 0);
        WAKER.wake();
    }
}

/// The controller.
pub(crate) struct Stellaris {
    received: &'static mut [u8; FRAME_BYTES],
    sent: &'static mut [u8; FRAME_BYTES],
}

impl Stellaris {
    /// Switches it on.
    pub(crate) fn new() -> Self {
        let [received, sent] = BUFFERS.take();
        let [a, b, c, d, e, f] = MAC;
        write(MASK, 0);
        write(RECEIVE_CONTROL, EMPTY_FIFO);
        write(ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]));
        write(ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]));
        write(TRANSMIT_CONTROL, TRANSMIT);
        write(RECEIVE_CONTROL, RECEIVE);
        // SAFETY: the handler above is ready for it.
        unsafe { NVIC::unmask(Ethernet) };
        Self { received, sent }
    }

    /// Takes the next frame out of the FIFO and returns its length: `None` if it fits no buffer.
    fn take(&mut self) -> Option<usize> {
        // The first two bytes are the length of all, themselves and the checksum of four bytes included.
        let first = read(DATA).to_le_bytes();
        let len = usize::from(u16::from_le_bytes([first[0], first[1]])).checked_sub(6)?;
        let mut at = 0;
        for byte in [first[2], first[3]] {
            put(&mut self.received[..], &mut at, byte);
        }
        while at < len + 4 {
            for byte in read(DATA).to_le_bytes() {
                put(&mut self.received[..], &mut at, byte);
            }
        }
        (len <= FRAME_BYTES).then_some(len)
    }
}

fn put(buffer: &mut [u8], at: &mut usize, byte: u8) {
    if let Some(place) = buffer.get_mut(*at) {
        *place = byte;
    }
    *at += 1;
}

/// The interrupt of the controller.
#[derive(Clone, Copy)]
struct Ethernet;

// SAFETY: the number is that of the Ethernet controller on this part, and stays so.
unsafe impl cortex_m::interrupt::InterruptNumber for Ethernet {
    fn number(self) -> u16 {
        INTERRUPT as u16
    }
}

impl Driver for Stellaris {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Sending<'_>)> {
        WAKER.register(cx.waker());
        loop {
            // Acknowledged before the look: a frame that comes between the two raises it again.
            write(STATUS, RECEIVED);
            if read(FRAMES) == 0 {
                write(MASK, RECEIVED);
                return None;
            }
            if let Some(len) = self.take() {
                return Some((Received { frame: &mut self.received[..len] }, Sending { buffer: self.sent }));
            }
        }
    }

    fn transmit(&mut self, _cx: &mut Context<'_>) -> Option<Sending<'_>> {
        Some(Sending { buffer: self.sent })
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_BYTES;
        // The receive FIFO of the part holds 2 KiB.
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(MAC)
    }
}

/// A frame that has come.
pub(crate) struct Received<'a> {
    frame: &'a mut [u8],
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, take: F) -> R {
        take(self.frame)
    }
}

/// Room for a frame to send.
pub(crate) struct Sending<'a> {
    buffer: &'a mut [u8; FRAME_BYTES],
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let filled = fill(&mut self.buffer[..len]);
        // The last one must be on its way before the FIFO takes the next.
        while read(TRANSMIT_REQUEST) & 1 != 0 {}
        // The length counts what stands behind the Ethernet header, which is 14 bytes.
        let length = (len as u16).saturating_sub(14).to_le_bytes();
        let (head, rest) = self.buffer[..len].split_at(2);
        write(DATA, u32::from_le_bytes([length[0], length[1], head[0], head[1]]));
        for piece in rest.chunks(4) {
            let mut word = [0; 4];
            word[..piece.len()].copy_from_slice(piece);
            write(DATA, u32::from_le_bytes(word));
        }
        write(TRANSMIT_REQUEST, 1);
        filled
    }
}
