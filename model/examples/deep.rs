#![allow(missing_docs, clippy::all, clippy::pedantic)]
use std::collections::HashSet;
use std::hash::*;
use turquoise_model::*;
fn main() {
    let c = STANDARD.iter().find(|c| c.name.contains(&std::env::args().nth(1).unwrap())).unwrap();
    let h = |w: &World| {
        let mut d = std::collections::hash_map::DefaultHasher::new();
        w.hash(&mut d);
        d.finish()
    };
    let w = World::initial(c);
    let mut seen = HashSet::new();
    seen.insert(h(&w));
    let mut level = vec![(w, vec![])];
    for d in 0..260 {
        let mut next = vec![];
        for (w, p) in &level {
            for a in w.actions(c) {
                if let Some(n) = w.step(c, a) {
                    if seen.insert(h(&n)) {
                        let mut p: Vec<Action> = p.clone();
                        p.push(a);
                        next.push((n, p));
                    }
                }
            }
        }
        level = next;
        if level.is_empty() {
            println!("done {d}");
            return;
        }
    }
    let (w, p) = &level[0];
    println!("{}", tell(c, p));
    println!("{w:#?}");
}
