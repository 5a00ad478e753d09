//! A token that is dead is nowhere in the memory of the process that rotated it, network buffers included; one that serves is
//! in a locked page, and beside it only where the network library has put it.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use turquoise_tests::{Command, Place, Point, Side};

use crate::agent::{Agent, How, PATIENCE};
use crate::http::Http;
use crate::image::Image;
use crate::site::{Site, server};

#[test]
fn the_memory_holds_no_secret_that_is_over() {
    let site = Site::new(server(), "image");
    let blue = fs::read_to_string(site.secret_file()).unwrap();
    let switch = Point { side: Side::After, place: Place::Record(8) };
    let mut agent = Agent::start(&site, How { hold: Some(switch), readable: true, ..How::default() });
    agent.until_steady();
    assert_eq!(Image::of(agent.pid()).locked, 1, "the one that serves has a page");
    agent.order(Command::Rotate);
    agent.until_held();
    assert_eq!(Image::of(agent.pid()).locked, 2, "and so has the one that takes over");
    agent.order(Command::Release);
    agent.until_step("Promoted");
    agent.until_steady();

    let green = fs::read_to_string(site.sink()).unwrap();
    let (_, looked) = Http::new(&site.address).get("auth/token/lookup-self", &green).unwrap();
    let Value::String(accessor) = &looked["data"]["accessor"] else { panic!("{looked}") };
    // A connection that is idle keeps what it sent last, and is closed after half a minute.
    let deadline = Instant::now() + PATIENCE;
    let image = loop {
        let image = Image::of(agent.pid());
        if image.places(&blue).is_empty() || Instant::now() > deadline {
            break image;
        }
        sleep(Duration::from_secs(1));
    };
    assert_eq!(image.places(&blue), [] as [String; 0]);
    assert_eq!(image.locked, 1, "the page of the dead one is given back");
    assert!(!image.places(accessor).is_empty(), "what is not secret is found");
    agent.stop();
    site.assert_quiet(server());
}
