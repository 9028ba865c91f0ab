//! Names for containers that nobody named: an adjective and somebody who made computing what it is.

use hako_types::RandomId;

const ADJECTIVES: [&str; 48] = [
    "able", "amber", "bold", "brave", "bright", "calm", "clear", "clever", "cosy", "crisp",
    "eager", "early", "fair", "fleet", "fond", "frank", "fresh", "gentle", "glad", "golden",
    "grand", "happy", "hardy", "honest", "jolly", "keen", "kind", "light", "lively", "lucid",
    "merry", "mild", "neat", "nimble", "patient", "plain", "proud", "quick", "quiet", "ready",
    "serene", "sharp", "steady", "sunny", "tidy", "vivid", "warm", "wise",
];

const PEOPLE: [&str; 56] = [
    "allen",
    "babbage",
    "backus",
    "bartik",
    "boole",
    "borg",
    "cerf",
    "church",
    "clarke",
    "codd",
    "conway",
    "curie",
    "dahl",
    "diffie",
    "dijkstra",
    "engelbart",
    "estrin",
    "euler",
    "floyd",
    "gauss",
    "goldberg",
    "goldwasser",
    "gray",
    "hamilton",
    "hamming",
    "hejlsberg",
    "hellman",
    "hoare",
    "hopper",
    "huffman",
    "iverson",
    "johnson",
    "kay",
    "keller",
    "kernighan",
    "kleinrock",
    "knuth",
    "lamarr",
    "lamport",
    "liskov",
    "lovelace",
    "mccarthy",
    "merkle",
    "milner",
    "naur",
    "noether",
    "nygaard",
    "perlman",
    "pike",
    "ritchie",
    "shannon",
    "tarjan",
    "thompson",
    "turing",
    "wirth",
    "zuse",
];

/// Returns a name by chance; from the third try on with digits, so that it ends.
pub(super) fn random(tries: usize) -> String {
    let id = RandomId::random();
    let number = |from: usize, count: usize| {
        let digits = id.as_str().get(from..from + 8).unwrap_or("0");
        usize::from_str_radix(digits, 16).unwrap_or(0) % count
    };
    let (adjective, person) =
        (ADJECTIVES[number(0, ADJECTIVES.len())], PEOPLE[number(8, PEOPLE.len())]);
    if tries < 3 {
        format!("{adjective}_{person}")
    } else {
        format!("{adjective}_{person}{}", number(16, 100_000))
    }
}
