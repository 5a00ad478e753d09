#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::print_stdout, clippy::allow_attributes)]
use turquoise_model::*;
fn main() {
    let t = std::time::Instant::now();
    let mut all = vec![];
    for c in STANDARD {
        let e = explore(&c, |_, _| {});
        println!("PIN {}|{}|{}|{}", c.name, e.states, e.depth, e.rows.len());
        let r: Vec<_> = Sight::required(&c).filter(|s| !e.seen.contains(s)).collect();
        if !r.is_empty() {
            println!("unseen {r:?}");
        }
        for m in Move::ALL {
            if !e.moves.has(m) {
                println!("no move {m:?}");
            }
        }
        if !e.broken.is_empty() || !e.unrefined.is_empty() {
            println!("BROKEN {:?} {:?}", e.broken.keys().collect::<Vec<_>>(), e.unrefined.keys().collect::<Vec<_>>());
        }
        let l = liveness(&e.graph);
        for f in l.failures() {
            println!("L {f}");
        }
        all.push(e);
    }
    for h in holes(&all) {
        println!("{h}");
    }
    println!("{:?}", t.elapsed());
}
