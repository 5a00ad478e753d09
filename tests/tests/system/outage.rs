//! A server that is gone for a while in the middle of a rotation.

use turquoise_openbao::Server;
use turquoise_tests::{Command, Place, Point, Side, Told};

use crate::agent::{Agent, How};
use crate::audit;
use crate::consumer::Consumer;
use crate::http::Http;
use crate::site::{Journalled, Site};

/// Where the server goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// When the candidate is about to be tried; it comes back as soon as that was noticed.
    Validating,
    /// Then too; it comes back when the candidate was given up.
    ValidatingForLong,
    /// When the old one's life is about to be cut; it comes back when its grace is over.
    Draining,
}

impl Scene {
    pub(crate) const ALL: [Self; 3] = [Self::Validating, Self::ValidatingForLong, Self::Draining];

    /// The record after which it goes, by the number and name that it has in a login and a good rotation.
    const fn record(self) -> (u64, &'static str) {
        match self {
            Self::Validating | Self::ValidatingForLong => (6, "persisted"),
            Self::Draining => (9, "shorten-intent"),
        }
    }
}

/// Has the server go, and come back. Whatever became of the rotation: one token lives and works, and nobody was refused.
pub(crate) fn survive(server: &mut Server, scene: Scene, go: fn(&mut Server), come_back: fn(&mut Server)) -> Journalled {
    let role = format!("{scene:?}");
    let site = Site::new(server, &role);
    let (record, step) = scene.record();
    let hold = Some(Point { side: Side::After, place: Place::Record(record) });
    let mut agent = Agent::start(&site, How { hold, ..How::default() });
    agent.until_steady();
    let consumer = Consumer::start(&site);
    agent.order(Command::Rotate);
    agent.until_held();
    let text = std::fs::read_to_string(site.journal()).unwrap();
    assert!(text.lines().last().unwrap().contains(&format!("\"step\":\"{step}\"")), "not the record: {text}");

    go(server);
    assert!(!matches!(Http::new(&site.address).get("sys/leader", ""), Ok((200, _))), "the server is not gone");
    agent.order(Command::Release);
    match scene {
        Scene::Validating => {
            // The second is made because the first was not answered well.
            let mut probes = 0;
            agent.until("it tries again", |told| {
                probes += usize::from(matches!(told, Told::Call { call, .. } if call == "probe"));
                probes > 1
            });
        }
        Scene::ValidatingForLong => agent.until_step("AbandonIntent"),
        Scene::Draining => agent.until_step("RevokeIntent"),
    }
    come_back(server);
    agent.until_steady();
    agent.stop();

    let journalled = site.assert_quiet(server);
    assert!(consumer.stop().served > 0);
    let judgement = audit::judge(server, &role, &journalled);
    assert_eq!(judgement.credentials.len(), 2, "{judgement}");
    match scene {
        Scene::Validating => assert!(journalled.has("Promoted") != journalled.has("AbandonIntent")),
        Scene::ValidatingForLong => assert!(!journalled.has("Promoted")),
        Scene::Draining => assert!(journalled.has("Promoted")),
    }
    journalled
}
