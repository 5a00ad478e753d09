//! The endpoint that hands a rotation's key to AWS clients.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::plan::Container;
use super::{Settler, Stanza};

/// AWS clients ask anew at the latest so long before the end of what they were answered.
const MARGIN: Duration = Duration::from_mins(10);
const EXPIRES_IN: Duration = Duration::from_mins(15);

impl<'a> Settler<'a, '_> {
    /// The endpoint, if there is one.
    pub(super) fn container(&mut self, rotation: &Stanza<'a>, grace: Duration) -> Option<Container> {
        let stanza = rotation.within("container");
        stanza.table?;
        let address = self.needed(&stanza, "address")?;
        let token_file = self.needed(&stanza, "token_file")?.into();
        let is_ours = |address: &SocketAddr| address.ip().is_loopback();
        let Some(address) = address.parse().ok().filter(is_ours) else {
            let form = "write 127.0.0.1:PORT or [::1]:PORT: anywhere else the key would go over a network in clear";
            return self.fault(stanza.at("address"), "`address` is none of this machine alone", form);
        };
        let expires_in = self.duration(&stanza, "expires_in", EXPIRES_IN);
        if expires_in.is_zero() {
            return self.fault(stanza.at("expires_in"), "an answer that ends at once is of no use", "write expires_in = \"15m\"");
        }
        if expires_in > grace + MARGIN {
            let what =
                "clients may keep a key for longer than its grace: they ask anew 10 minutes before `expires_in`, or sooner";
            self.notice(stanza.at("expires_in"), what, "write a shorter `expires_in`, or a longer `grace` in the rotation");
        }
        Some(Container { address, token_file, expires_in })
    }
}
