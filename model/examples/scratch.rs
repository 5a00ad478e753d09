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
        let e = explore(&c, |s, d| {
            if d % 40 == 0 {
                println!("{s} {d}");
            }
            if s > 4_000_000 {
                println!("{} too many", c.name);
                std::process::exit(1)
            }
        });
        println!("{}: states {} steps {} depth {} {:?} rows {}", c.name, e.states, e.steps, e.depth, t.elapsed(), e.rows.len());
        for (_i, w) in &e.broken {
            println!("{}", tell(&c, w));
            if std::env::var("V").is_ok() {
                let mut x = World::initial(&c);
                for a in w {
                    x = x.step(&c, *a).unwrap();
                }
                println!("{x:#?}");
            }
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
