//! A server that is sealed in the middle of a rotation answers, and does nothing for anybody. When it is unsealed the rotation
//! ends, well or abandoned.

use crate::outage::{Scene, survive};
use crate::site::start_server;

#[test]
fn a_sealed_server_interrupts_and_loses_nothing() {
    let mut server = start_server();
    for scene in Scene::ALL {
        survive(&mut server, scene, |server| server.seal().unwrap(), |server| server.unseal().unwrap());
    }
}
