//! The SMSC LAN9118 of the MPS2 board: frames go through FIFOs, word by word, into and out of one buffer each.

use core::task::Context;

use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::waitqueue::GenericAtomicWaker;
use static_cell::ConstStaticCell;

const BASE: usize = 0x4020_0000;
const RECEIVE_DATA: usize = 0x00;
const TRANSMIT_DATA: usize = 0x20;
/// What is known of the next frame; its length, with the checksum, stands in bits 29 to 16.
const RECEIVE_STATUS: usize = 0x40;
const IRQ_CONFIG: usize = 0x54;
const IRQ_STATUS: usize = 0x58;
const IRQ_ENABLE: usize = 0x5c;
const FIFO_LEVELS: usize = 0x68;
const TRANSMIT_CONFIG: usize = 0x70;
/// How many frames have come, in bits 23 to 16.
const RECEIVE_INFO: usize = 0x7c;
const TRANSMIT_STATUS: usize = 0x48;
const TRANSMIT_INFO: usize = 0x80;
/// A register of the MAC: its number here, its value there.
const MAC_COMMAND: usize = 0xa4;
const MAC_DATA: usize = 0xa8;

const MAC_BUSY: u32 = 1 << 31;
const MAC_CONTROL: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;

/// Enabled, pushed, active when high.
const IRQ_ON: u32 = 1 << 8 | 1 << 4 | 1;
/// There are more frames than the level says, which is none.
const RECEIVED: u32 = 1 << 3;
const TRANSMIT_ON: u32 = 1 << 1;
const MAC_RECEIVE_AND_TRANSMIT: u32 = 1 << 3 | 1 << 2;
/// The first and the last segment of a frame.
const WHOLE_FRAME: u32 = 1 << 13 | 1 << 12;
const INTERRUPT: i16 = 13;

const MAC: [u8; 6] = [0x02, 0x53, 0x70, 0x72, 0x61, 0x74];
/// The longest frame, without its checksum: 14 bytes of header, 1,500 of content.
const FRAME_BYTES: usize = 1_514;

static WAKER: GenericAtomicWaker<CriticalSectionRawMutex> = GenericAtomicWaker::new(CriticalSectionRawMutex::new());

/// One frame each way.
static BUFFERS: ConstStaticCell<[[u8; FRAME_BYTES]; 2]> = ConstStaticCell::new([[0; FRAME_BYTES]; 2]);

fn read(register: usize) -> u32 {
    // SAFETY: a register of this board's Ethernet controller, which only this file uses.
    unsafe { ((BASE + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as for `read`.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) }
}

fn write_mac(register: u32, value: u32) {
    while read(MAC_COMMAND) & MAC_BUSY != 0 {}
    write(MAC_DATA, value);
    write(MAC_COMMAND, MAC_BUSY | register);
}

/// All interrupts but the processor's own come here.
#[exception]
unsafe fn DefaultHandler(number: i16) {
    if number == INTERRUPT {
        // It stays up until the frame is taken: shut it off, the driver lets it through again.
        write(IRQ_ENABLE, 0);
        WAKER.wake();
    }
}

/// The controller.
pub(crate) struct Lan9118 {
    received: &'static mut [u8; FRAME_BYTES],
    sent: &'static mut [u8; FRAME_BYTES],
}

impl Lan9118 {
    /// Switches it on.
    pub(crate) fn new() -> Self {
        let [received, sent] = BUFFERS.take();
        let [a, b, c, d, e, f] = MAC;
        write(IRQ_ENABLE, 0);
        write(FIFO_LEVELS, 0);
        write(IRQ_CONFIG, IRQ_ON);
        write_mac(MAC_ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]));
        write_mac(MAC_ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]));
        write(TRANSMIT_CONFIG, TRANSMIT_ON);
        write_mac(MAC_CONTROL, MAC_RECEIVE_AND_TRANSMIT);
        // SAFETY: the handler above is ready for it.
        unsafe { NVIC::unmask(Ethernet) };
        Self { received, sent }
    }

    /// Takes the next frame out of the FIFO and returns its length: `None` if it fits no buffer.
    fn take(&mut self) -> Option<usize> {
        let with_checksum = (read(RECEIVE_STATUS) >> 16 & 0x3fff) as usize;
        for at in (0..with_checksum).step_by(4) {
            let word = read(RECEIVE_DATA).to_le_bytes();
            let room = self.received.get_mut(at..).unwrap_or_default();
            room.iter_mut().zip(word).for_each(|(place, byte)| *place = byte);
        }
        with_checksum.checked_sub(4).filter(|len| *len <= FRAME_BYTES)
    }
}

/// The interrupt of the controller.
#[derive(Clone, Copy)]
struct Ethernet;

// SAFETY: the number is that of the Ethernet controller on this board, and stays so.
unsafe impl cortex_m::interrupt::InterruptNumber for Ethernet {
    fn number(self) -> u16 {
        INTERRUPT as u16
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Sending<'_>)> {
        WAKER.register(cx.waker());
        loop {
            // Acknowledged before the look: a frame that comes between the two raises it again.
            write(IRQ_STATUS, RECEIVED);
            if read(RECEIVE_INFO) >> 16 & 0xff == 0 {
                write(IRQ_ENABLE, RECEIVED);
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
        // What became of earlier frames is not kept; their reports would fill a FIFO of their own.
        while read(TRANSMIT_INFO) >> 16 & 0xff != 0 {
            read(TRANSMIT_STATUS);
        }
        write(TRANSMIT_DATA, WHOLE_FRAME | len as u32);
        write(TRANSMIT_DATA, len as u32);
        for piece in self.buffer[..len].chunks(4) {
            let mut word = [0; 4];
            word[..piece.len()].copy_from_slice(piece);
            write(TRANSMIT_DATA, u32::from_le_bytes(word));
        }
        filled
    }
}
