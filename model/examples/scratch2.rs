#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::print_stdout, clippy::allow_attributes)]
use turquoise_core::*;
use turquoise_model::*;
fn run(c: &Config) -> String {
    let r = std::panic::catch_unwind(|| {
        let mut n = 0;
        let e = explore(c, |s, _| {
            n = s;
            if s > 600_000 {
                panic!("too many")
            }
        });
        let l = liveness(&e.graph);
        let mut v: Vec<String> = e.broken.keys().map(|i| i.id().to_string()).collect();
        if l.endless.is_some() {
            v.push("L1".into());
        }
        v.extend(e.unrefined.keys().map(|r| format!("{r:?}")));
        v.join(" ")
    });
    r.unwrap_or("PANIC".into())
}
fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let names = ["two-slot", "two faults", "every candidate", "an operator and", "an operator", "lagging", "login helps"];
    let cs: Vec<Config> = names.iter().map(|n| *STANDARD.iter().find(|c| c.name.contains(n)).unwrap()).collect();
    for b in [
        SeededBug::RollbackToCompromised,
        SeededBug::LostMintNeverConcluded,
        SeededBug::DeathNotBelieved,
        SeededBug::UnknownTakenAsRefused,
        SeededBug::DeltaIgnored,
        SeededBug::RecoveryKeepsBounds,
    ]
    .iter()
    {
        print!("{b:?}: ");
        for c in &cs {
            let mut c = *c;
            c.policy.sown = Sown::bug(*b);
            let r = run(&c);
            if !r.is_empty() {
                println!("{} -> {r}", c.name);
                break;
            } else {
                print!("-")
            }
        }
        println!();
    }
    for a in [Assumption::DeltaHolds] {
        print!("{a:?}: ");
        for c in &cs {
            let mut c = *c;
            c.broken = Some(a);
            let r = run(&c);
            if !r.is_empty() {
                println!("{} -> {r}", c.name);
                break;
            } else {
                print!("-")
            }
        }
        println!();
    }
}
