//! Every step of the world is a step of the abstract specification, or changes nothing in it; and the specification says
//! something: each of its rules can be broken, and sown bugs do.

use turquoise_core::Generation;
use turquoise_model::{Abstract, Move, Rule, SINK, Set, explore, step};

fn set(numbers: &[u32]) -> Set {
    numbers.iter().map(|&number| Generation { incarnation: 1, number }).collect()
}

fn state(may: &[u32], must: &[u32], serving: &[u32]) -> Abstract {
    Abstract { may: set(may), must: set(must), serving: set(serving) }
}

#[test]
fn every_step_of_the_world_is_abstract_and_every_move_is_made() {
    let explored = explore(&SINK, |_, _| {});
    assert_eq!(explored.unrefined, [].into());
    for one in Move::ALL {
        assert!(explored.moves.has(one), "never made: {one:?}");
    }
}

#[test]
fn a_rotation_is_a_way_through_the_abstract() {
    let way = [
        state(&[], &[], &[]),
        state(&[1], &[], &[]),
        state(&[1], &[1], &[]),
        state(&[1], &[1], &[1]),
        state(&[1, 2], &[1], &[1]),
        state(&[1, 2], &[1, 2], &[1]),
        state(&[1, 2], &[1, 2], &[1, 2]),
        state(&[1, 2], &[1, 2], &[2]),
        state(&[1, 2], &[2], &[2]),
        state(&[2], &[2], &[2]),
    ];
    let moves =
        [Move::Mint, Move::Settle, Move::Serve, Move::Mint, Move::Settle, Move::Serve, Move::Release, Move::Doom, Move::Die];
    for (pair, made) in way.windows(2).zip(moves) {
        let taken = step(pair[0], pair[1], Set::default()).expect("it is legal");
        let all: Vec<_> = Move::ALL.into_iter().filter(|one| taken.has(*one)).collect();
        assert_eq!(all, [made]);
    }
}

#[test]
fn each_rule_can_be_broken() {
    let one = state(&[1], &[1], &[1]);
    let two = state(&[1, 2], &[1, 2], &[1]);
    let broken = |before, after, known: &[u32]| step(before, after, set(known)).err();
    assert_eq!(broken(one, state(&[1], &[], &[1]), &[]), Some(Rule::NeverDark));
    assert_eq!(broken(state(&[1, 2], &[1], &[1]), state(&[1, 2], &[1, 2], &[2]), &[]), Some(Rule::ServeOnlyCertain));
    assert_eq!(broken(two, state(&[2], &[2], &[2]), &[]), Some(Rule::EndOnlyReleased));
    assert_eq!(broken(two, state(&[1, 2, 3], &[1, 2], &[1]), &[]), Some(Rule::AtMostTwo));
    assert_eq!(broken(state(&[1, 2], &[1], &[1]), state(&[1, 3], &[1], &[1]), &[]), Some(Rule::OneMintAtATime));
    assert_eq!(broken(state(&[2], &[2], &[2]), state(&[1, 2], &[2], &[2]), &[]), Some(Rule::NoReturn));
    assert_eq!(broken(one, state(&[1, 2], &[1], &[1]), &[2]), Some(Rule::NoReturn));
    assert_eq!(broken(one, state(&[1, 2], &[1, 2], &[1]), &[]), Some(Rule::NoBirthWithoutMint));
}
