//! The barrier's parts, one by one, and what neighbours make of a team. They stand here because the barrier's files are
//! built for its model as well, where these do not belong; the team as a whole is in `tests/team.rs`.

mod barrier;
mod crowd;
mod layout;
