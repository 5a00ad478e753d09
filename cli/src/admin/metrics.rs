//! What a Prometheus server reads. The names are those that users of such tools expect; `docs/admin.md` lists them.
//!
//! Gauges are set when they are read; what is counted is counted by those who saw it. Labels are bounded: names of identities,
//! which the file gives, and words of ours.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use turquoise::core::PhaseKind;
use turquoise::proxy::Figures;

use super::alert::Rung;
use super::desk::{Desk, Now, Seat, needs_operator, roles};
use super::shape::Hanging;

/// What the text is, by its media type.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PHASES: [PhaseKind; 10] = [
    PhaseKind::Vacant,
    PhaseKind::Steady,
    PhaseKind::Issuing,
    PhaseKind::Validating,
    PhaseKind::Draining,
    PhaseKind::Revoking,
    PhaseKind::Abandoning,
    PhaseKind::NeedsOperator,
    PhaseKind::Closing,
    PhaseKind::Stopped,
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    identity: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InPhase {
    identity: String,
    phase: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InRole {
    identity: String,
    role: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Hung {
    identity: String,
    role: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ending {
    identity: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    identity: String,
    call: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

type Real = Gauge<f64, AtomicU64>;

/// All of them.
pub(crate) struct Metrics {
    /// Filled and read by one at a time.
    registry: Mutex<Registry>,
    expiration: Family<InRole, Real>,
    generation: Family<Of, Gauge>,
    phase: Family<InPhase, Gauge>,
    serving: Family<Of, Gauge>,
    in_flight: Family<InRole, Gauge>,
    debt: Family<Of, Gauge>,
    debt_ends: Family<Of, Real>,
    needs_operator: Family<Of, Gauge>,
    stalled: Family<Of, Gauge>,
    next: Family<Of, Real>,
    success: Family<Of, Real>,
    rotations: Family<Ending, Counter>,
    renewals: Family<Ending, Counter>,
    calls: Family<Asked, Counter>,
    alerts: Family<Outcome, Counter>,
    took: Family<Of, Histogram>,
    dependents: Family<Hung, Gauge>,
    proxy: OfProxies,
}

/// What proxies say of themselves.
#[derive(Default)]
struct OfProxies {
    requests: Family<Of, Counter>,
    faults: Family<Of, Counter>,
    replays: Family<Of, Counter>,
    in_flight: Family<Of, Gauge>,
    connections: Family<Of, Gauge>,
}

impl OfProxies {
    fn register(&self, to: &mut Registry) {
        let to = to.sub_registry_with_prefix("proxy");
        to.register("requests", "Requests that came to the listeners", self.requests.clone());
        to.register("faults", "Requests answered by the proxy, and not by the server", self.faults.clone());
        to.register("replays", "Requests sent again with another credential after a 403", self.replays.clone());
        to.register("in_flight", "Requests under way", self.in_flight.clone());
        to.register("connections", "Open connections of clients", self.connections.clone());
    }

    fn clear(&self) {
        for family in [&self.requests, &self.faults, &self.replays] {
            family.clear();
        }
        self.in_flight.clear();
        self.connections.clear();
    }

    fn fill(&self, of: &Of, figures: &Figures) {
        let Figures { requests, faults, replays, in_flight, connections, .. } = *figures;
        for (family, count) in [(&self.requests, requests), (&self.faults, faults), (&self.replays, replays)] {
            family.get_or_create(of).inc_by(count);
        }
        for (family, value) in [(&self.in_flight, in_flight), (&self.connections, connections)] {
            family.get_or_create(of).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let took = Family::new_with_constructor(histogram as fn() -> Histogram);
        let mut metrics = Self {
            registry: Mutex::new(Registry::with_prefix("turquoise")),
            expiration: Family::default(),
            generation: Family::default(),
            phase: Family::default(),
            serving: Family::default(),
            in_flight: Family::default(),
            debt: Family::default(),
            debt_ends: Family::default(),
            needs_operator: Family::default(),
            stalled: Family::default(),
            next: Family::default(),
            success: Family::default(),
            rotations: Family::default(),
            renewals: Family::default(),
            calls: Family::default(),
            alerts: Family::default(),
            took,
            dependents: Family::default(),
            proxy: OfProxies::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let to = self.registry.get_mut().unwrap_or_else(PoisonError::into_inner);
        let seconds = || Unit::Seconds;
        to.register("build", "Which program this is", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        to.register_with_unit(
            "credential_expiration_timestamp",
            "Until when a credential certainly lives; of one that is going, when it is dead by itself",
            seconds(),
            self.expiration.clone(),
        );
        to.register("credential_generation", "The number of the generation that serves", self.generation.clone());
        to.register("rotation_phase", "1 for the phase that the rotation is in", self.phase.clone());
        to.register("serving", "1 if new work is given a credential", self.serving.clone());
        to.register("inflight_operations", "Work of this process that holds a credential", self.in_flight.clone());
        to.register("revocation_debt", "Credentials whose end is not confirmed", self.debt.clone());
        to.register_with_unit(
            "revocation_debt_end_timestamp",
            "When what is owed is dead by itself",
            seconds(),
            self.debt_ends.clone(),
        );
        to.register(
            "needs_operator",
            "1 if the world contradicts the journal and a person must resolve it",
            self.needs_operator.clone(),
        );
        to.register("journal_stalled", "1 if the journal failed and only a restart goes on", self.stalled.clone());
        to.register_with_unit("next_rotation_timestamp", "When the next rotation begins by itself", seconds(), self.next.clone());
        to.register_with_unit(
            "last_success_timestamp",
            "When a credential last became current, if this process saw it",
            seconds(),
            self.success.clone(),
        );
        to.register("rotations", "Rotations by how they ended", self.rotations.clone());
        to.register("renewals", "Renewals of a credential by how they ended", self.renewals.clone());
        to.register("provider_calls", "Calls to the provider and the survivor store by how they ended", self.calls.clone());
        to.register("alerts", "Alerts by what became of them", self.alerts.clone());
        to.register_with_unit(
            "rotation_duration",
            "From the announcement of a mint to the end of its round",
            seconds(),
            self.took.clone(),
        );
        to.register("dependents", "What was made with a credential through a listener, and lives", self.dependents.clone());
        self.proxy.register(to);
    }

    /// A round is over.
    pub(crate) fn round(&self, identity: &str, took: Duration) {
        self.took.get_or_create(&Of { identity: identity.to_owned() }).observe(took.as_secs_f64());
    }

    /// All of it as it is now.
    pub(crate) fn read(&self, desk: &Desk) -> Result<String, fmt::Error> {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.clear();
        let now = desk.now();
        for seat in desk.seats() {
            self.fill(&seat, now);
        }
        for (rung, count) in desk.bell.counts() {
            self.alerts.get_or_create(&Outcome { outcome: Rung::name(rung) }).inc_by(count);
        }
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }

    /// What is no more is not told.
    fn clear(&self) {
        for family in [&self.generation, &self.serving, &self.debt, &self.needs_operator, &self.stalled] {
            family.clear();
        }
        for family in [&self.debt_ends, &self.next, &self.success] {
            family.clear();
        }
        self.expiration.clear();
        self.in_flight.clear();
        self.phase.clear();
        self.rotations.clear();
        self.renewals.clear();
        self.calls.clear();
        self.alerts.clear();
        self.dependents.clear();
        self.proxy.clear();
    }

    fn fill(&self, seat: &Seat, now: Now) {
        let (status, seen) = (seat.operator.status(), seat.seen());
        let of = Of { identity: seat.name.clone() };
        let put = |family: &Family<Of, Gauge>, value: i64| {
            family.get_or_create(&of).set(value);
        };
        let stamp = |family: &Family<Of, Real>, at: SystemTime| {
            family.get_or_create(&of).set(unix(at));
        };
        for (mint, role, in_flight, ends) in roles(&status) {
            let labels = InRole { identity: seat.name.clone(), role };
            self.in_flight.get_or_create(&labels).set(i64::try_from(in_flight).unwrap_or(i64::MAX));
            if let Some(ends) = ends {
                self.expiration.get_or_create(&labels).set(unix(now.when(ends)));
            }
            if seat.proxied().is_some() {
                let Hanging { leases, children } = seat.hanging(mint);
                for (kind, count) in [("lease", leases), ("child", children)] {
                    let labels = Hung { identity: seat.name.clone(), role, kind };
                    self.dependents.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
                }
            }
            if role == "current" {
                put(&self.generation, mint.generation.number.into());
            }
        }
        for phase in PHASES {
            let labels = InPhase { identity: seat.name.clone(), phase: format!("{phase:?}") };
            self.phase.get_or_create(&labels).set((phase == status.phase).into());
        }
        if let Some(figures) = seat.proxied().and_then(|proxied| proxied.remote.figures()) {
            self.proxy.fill(&of, &figures);
        }
        put(&self.serving, seat.operator.serving().is_ok().into());
        put(&self.debt, status.debt.is_some().into());
        put(&self.needs_operator, needs_operator(&status.state).is_some().into());
        put(&self.stalled, status.stalled.into());
        if let Some(at) = status.debt_ends {
            stamp(&self.debt_ends, now.when(at));
        }
        if let Some(at) = seat.next_rotation(&status, now) {
            stamp(&self.next, at);
        }
        if let Some((_, at)) = seen.success {
            stamp(&self.success, at);
        }
        let ends = seen.ends;
        for (outcome, count) in [
            ("succeeded", ends.succeeded),
            ("abandoned", ends.abandoned),
            ("refused", ends.refused),
            ("rolled_back", ends.rolled_back),
        ] {
            self.rotations.get_or_create(&Ending { identity: seat.name.clone(), outcome }).inc_by(count);
        }
        for (call, outcome, count) in status.calls.iter() {
            self.calls.get_or_create(&Asked { identity: seat.name.clone(), call, outcome }).inc_by(count);
            if call == "renew" {
                self.renewals.get_or_create(&Ending { identity: seat.name.clone(), outcome }).inc_by(count);
            }
        }
    }
}

/// Rounds take from seconds to the hours of a long grace.
fn histogram() -> Histogram {
    Histogram::new([1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0])
}

fn unix(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
