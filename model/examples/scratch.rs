#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::print_stdout, clippy::allow_attributes)]
use turquoise_model::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    for c in STANDARD {
        if a.len() > 1 && !c.name.contains(&a[1]) {
            continue;
        }
        c.policy.check().unwrap();
        let t = std::time::Instant::now();
        let e = explore(&c, |s, _| {
            if s > 4_000_000 {
                println!("{} too many", c.name);
                std::process::exit(1)
            }
        });
        println!(
            "{}: states {} steps {} depth {} {:?} rows {} seen {}",
            c.name,
            e.states,
            e.steps,
            e.depth,
            t.elapsed(),
            e.rows.len(),
            e.seen.len()
        );
        for (_i, w) in &e.broken {
            println!("{}", tell(&c, w));
        }
        println!("unrefined {:?}", e.unrefined.keys().collect::<Vec<_>>());
        if std::env::var("R").is_ok() {
            for (_i, w) in &e.unrefined {
                println!("{}", tell(&c, w));
            }
        }
        let l = liveness(&e.graph);
        println!("{:?}", (l.quiet, l.cycles, l.detours, l.stranded));
        if let Some(x) = &l.endless {
            println!("{}", x.tell(&c));
        }
        if a.len() > 2 {
            for s in Sight::REQUIRED {
                if !e.seen.contains(&s) {
                    println!("unseen {s:?}");
                }
            }
            for t in turquoise_core::TRANSITIONS {
                if !e.rows.contains(&(t.from, t.step, t.to)) {
                    println!("untaken {:?} {:?} {:?}", t.from, t.step, t.to);
                }
            }
        }
    }
}
