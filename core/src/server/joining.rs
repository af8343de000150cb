//! How clients join namespaces, for the first time or again.

use crate::app::{App, Connect, Decision};
use crate::engine::session::CloseReason;
use crate::memory::Memory;
use crate::server::Server;
use crate::socket::SocketState;

impl<A: App, M: Memory> Server<A, M> {
    /// A client wants to join a namespace.
    pub(super) fn connect(&mut self, index: u32, namespace: &str, auth: Option<&str>) {
        if self.come_back(index, namespace, auth) {
            return;
        }
        if !self.app.has_namespace(namespace) {
            return self.sockets.send_connect_error_to(index, namespace, "Invalid namespace", None);
        }
        let Ok(socket) = self.sockets.create(index, namespace) else {
            return self.sockets.send_connect_error_to(index, namespace, "Server is full", None);
        };
        let id = self.sockets.id(socket);
        let decision = self.app.on_connect(&mut self.sockets, id, &Connect { namespace, auth });
        match decision {
            // The application has decided already, through its context.
            _ if self.sockets.table[socket].state != SocketState::Pending => {}
            Decision::Accept => {
                if self.sockets.admit(socket) {
                    self.sockets.table[socket].state = SocketState::Connected;
                    self.app.on_connected(&mut self.sockets, id);
                } else {
                    self.discard_pending(socket);
                }
            }
            Decision::Pending => {}
            Decision::Refuse { message, data } => {
                self.sockets.send_connect_error(socket, message, data);
                self.discard_pending(socket);
            }
        }
    }

    /// Lets a client be again who it was before it was cut off. `false` if it cannot, and joins like any other.
    fn come_back(&mut self, index: u32, namespace: &str, auth: Option<&str>) -> bool {
        let Some((socket, offset)) = self.sockets.claimed(namespace, auth) else { return false };
        let id = self.sockets.id(socket);
        if self.sockets.table[socket].is_connected() {
            // It knows the secret, so it is the same client; that its old connection is gone was not noticed yet.
            let old = self.sockets.table[socket].session;
            if old == index {
                return false;
            }
            self.sockets.engine.close(old, CloseReason::TransportClose);
            self.depart(socket, CloseReason::TransportClose);
        }
        if !self.sockets.is_absent(id) {
            return false;
        }
        let session = self.sockets.engine.id(index);
        match self.app.on_return(&mut self.sockets, id, session, &Connect { namespace, auth }) {
            Decision::Accept => {}
            Decision::Pending => {
                if self.sockets.is_absent(id) {
                    self.sockets.forget_absent(socket);
                }
                return false;
            }
            Decision::Refuse { message, data } => {
                self.sockets.send_connect_error_to(index, namespace, message, data);
                return true;
            }
        }
        // The application may have sent it away.
        if !self.sockets.is_absent(id) {
            return false;
        }
        if !self.sockets.resume(socket, index, offset) {
            self.sockets.forget_absent(socket);
            return false;
        }
        self.app.on_connected(&mut self.sockets, id);
        true
    }

    fn discard_pending(&mut self, socket: u32) {
        self.sockets.leave_all(socket);
        self.sockets.remove(socket);
    }
}
