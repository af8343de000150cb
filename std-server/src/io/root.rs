//! What [`Io`] passes on to its namespace `/`, so that applications with one namespace need not name it.

use sprat_core::CloseReason;

use super::Io;
use super::args::FromArgs;
use super::error::{EventError, Refusal};
use super::event::{Ack, AckSender, Event};
use super::remote::SocketRef;
use super::socket::Socket;

/// The namespace `/`: as the methods of [`Namespace`](super::Namespace) that have the same names.
impl Io {
    /// See [`Namespace::use_connect`](super::Namespace::use_connect).
    pub fn use_connect(&mut self, check: impl FnMut(&mut Socket<'_>) -> Result<(), Refusal> + 'static) -> &mut Self {
        self.namespaces[0].use_connect(check);
        self
    }

    /// See [`Namespace::use_connect_async`](super::Namespace::use_connect_async).
    pub fn use_connect_async<F>(&mut self, check: impl FnMut(SocketRef) -> F + 'static) -> &mut Self
    where
        F: Future<Output = Result<(), Refusal>> + 'static,
    {
        self.namespaces[0].use_connect_async(check);
        self
    }

    /// See [`Namespace::on_connection`](super::Namespace::on_connection).
    pub fn on_connection(&mut self, handler: impl FnMut(&mut Socket<'_>) + 'static) -> &mut Self {
        self.namespaces[0].on_connection(handler);
        self
    }

    /// See [`Namespace::on_disconnecting`](super::Namespace::on_disconnecting).
    pub fn on_disconnecting(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.namespaces[0].on_disconnecting(handler);
        self
    }

    /// See [`Namespace::on_disconnect`](super::Namespace::on_disconnect).
    pub fn on_disconnect(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.namespaces[0].on_disconnect(handler);
        self
    }

    /// See [`Namespace::on`](super::Namespace::on).
    pub fn on<T: FromArgs>(&mut self, name: &str, handler: impl FnMut(&mut Socket<'_>, T, Ack) + 'static) -> &mut Self {
        self.namespaces[0].on(name, handler);
        self
    }

    /// See [`Namespace::once`](super::Namespace::once).
    pub fn once<T: FromArgs>(
        &mut self,
        name: &str,
        handler: impl FnMut(&mut Socket<'_>, T, Ack) + 'static,
    ) -> &mut Self {
        self.namespaces[0].once(name, handler);
        self
    }

    /// See [`Namespace::off`](super::Namespace::off).
    pub fn off(&mut self, name: &str) -> bool {
        self.namespaces[0].off(name)
    }

    /// See [`Namespace::on_async`](super::Namespace::on_async).
    pub fn on_async<T: FromArgs, F: Future<Output = ()> + 'static>(
        &mut self,
        name: &str,
        handler: impl FnMut(SocketRef, T, AckSender) -> F + 'static,
    ) -> &mut Self {
        self.namespaces[0].on_async(name, handler);
        self
    }

    /// See [`Namespace::on_raw`](super::Namespace::on_raw).
    pub fn on_raw(&mut self, name: &str, handler: impl FnMut(&mut Socket<'_>, Event<'_>) + 'static) -> &mut Self {
        self.namespaces[0].on_raw(name, handler);
        self
    }

    /// See [`Namespace::on_any`](super::Namespace::on_any).
    pub fn on_any(&mut self, handler: impl FnMut(&mut Socket<'_>, &Event<'_>) + 'static) -> &mut Self {
        self.namespaces[0].on_any(handler);
        self
    }

    /// See [`Namespace::use_event`](super::Namespace::use_event).
    pub fn use_event(
        &mut self,
        check: impl FnMut(&mut Socket<'_>, &Event<'_>) -> Result<(), Refusal> + 'static,
    ) -> &mut Self {
        self.namespaces[0].use_event(check);
        self
    }

    /// See [`Namespace::on_error`](super::Namespace::on_error).
    pub fn on_error(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &mut Event<'_>, &EventError) + 'static,
    ) -> &mut Self {
        self.namespaces[0].on_error(handler);
        self
    }
}
