//! The memory of a process, as its parent can read it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

/// All that can be read and written: what came over the network is nowhere else.
pub(crate) struct Image {
    /// By where it is.
    readable: Vec<(String, Vec<u8>)>,
    /// How many pieces are locked and kept out of core files, as the kernel says.
    pub(crate) locked: usize,
}

impl Image {
    pub(crate) fn of(process: u32) -> Self {
        let memory = File::open(format!("/proc/{process}/mem")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let smaps = fs::read_to_string(format!("/proc/{process}/smaps")).unwrap();
        let is_locked = |flags: &&str| ["lo", "dd"].iter().all(|wanted| flags.split(' ').any(|flag| flag == *wanted));
        let locked = smaps.lines().filter_map(|line| line.strip_prefix("VmFlags: ")).filter(is_locked).count();
        let mut image = Self { readable: Vec::new(), locked };
        for map in maps.lines().filter(|map| map.contains(" rw")) {
            let (start, end) = map.split_once(' ').and_then(|(range, _)| range.split_once('-')).unwrap();
            let [start, end] = [start, end].map(|end| u64::from_str_radix(end, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            match memory.read_exact_at(&mut bytes, start) {
                Ok(()) => image.readable.push((map.to_owned(), bytes)),
                // Hidden even from us.
                Err(_) if map.contains("/secretmem") => {}
                Err(why) => panic!("{map}: {why}"),
            }
        }
        image
    }

    /// Where this secret, or a telling part of it, is found: a line each time.
    pub(crate) fn places(&self, secret: &str) -> Vec<String> {
        let tail = &secret.as_bytes()[secret.len() - secret.len() / 2..];
        let mut places = Vec::new();
        for (map, bytes) in &self.readable {
            let found = bytes.windows(tail.len()).filter(|window| window[0] == tail[0] && *window == tail).count();
            places.extend(std::iter::repeat_n(map.clone(), found));
        }
        places
    }
}
