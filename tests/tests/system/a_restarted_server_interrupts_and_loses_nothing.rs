//! A server that is killed in the middle of a rotation and started again remembers every token, and the rotation ends, well or
//! abandoned.

use turquoise_openbao::Server;

use crate::outage::{Scene, survive};
use crate::site::start_server;

#[test]
fn a_restarted_server_interrupts_and_loses_nothing() {
    let mut server = start_server();
    for scene in Scene::ALL {
        survive(&mut server, scene, Server::kill, |server| server.restart().unwrap());
    }
}
