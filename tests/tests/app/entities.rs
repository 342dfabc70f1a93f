//! Child entities: a command reaches the one that it names, and so does an event.

use std::collections::BTreeMap;

use annals::prelude::*;
use annals::testing::given;
use annals::{CommandFailure, SendError};

use crate::support::in_each_place;

/// A shelf of a library. Invariant: a copy is lent to one reader at a time.
#[derive(Aggregate, Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
#[aggregate(name = "bookshelf", snapshot)]
pub struct Shelf {
    copies: Vec<Copy>,
    notes: BTreeMap<u32, String>,
    sign: Option<Sign>,
    room: Room,
}

/// A copy of a book.
#[derive(Entity, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Copy {
    #[id]
    copy: u32,
    reader: Option<String>,
    repairs: BTreeMap<u32, Repair>,
}

/// A repair of a copy; numbered within the copy.
#[derive(Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
pub struct Repair {
    cost: u64,
}

/// At most one.
#[derive(Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
pub struct Sign {
    text: String,
}

/// Always there.
#[derive(Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
pub struct Room {
    number: u32,
}

#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum ShelfError {
    #[error("lent to {reader}")]
    Lent { reader: String },
}

macro_rules! commands {
    ($($name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        #[derive(Command, Serialize, Deserialize, Clone, Debug)]
        #[command(name = $stored, error = ShelfError)]
        pub struct $name { #[target] pub shelf: String, $(pub $field: $ty),* }
    )*};
}
commands! {
    AddCopy("shelf.add") { copy: u32 }
    LendCopy("shelf.lend") { copy: u32, reader: String }
    DropCopy("shelf.drop") { copy: u32 }
    StartRepair("shelf.repair") { copy: u32, repair: u32, cost: u64 }
    RaiseCost("shelf.raise") { copy: u32, repair: u32, by: u64 }
    EndRepair("shelf.repaired") { copy: u32, repair: u32 }
    WriteNote("shelf.note") { note: u32, text: String }
    PutSign("shelf.sign") { text: String }
    RewordSign("shelf.reword") { text: String }
    TakeSignDown("shelf.unsign") {}
    MoveRoom("shelf.move") { number: u32 }
    Misplace("shelf.misplace") { copy: u32 }
}

macro_rules! events {
    ($($name:ident($stored:literal) { $($field:ident: $ty:ty),* })*) => {$(
        #[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
        #[event(name = $stored)]
        pub struct $name { $(pub $field: $ty),* }
    )*};
}
events! {
    CopyAdded("shelf.copy-added") { copy: u32 }
    CopyLent("shelf.copy-lent") { copy: u32, reader: String }
    CopyDropped("shelf.copy-dropped") { copy: u32 }
    RepairStarted("shelf.repair-started") { copy: u32, repair: u32, cost: u64 }
    CostRaised("shelf.cost-raised") { copy: u32, repair: u32, by: u64 }
    RepairEnded("shelf.repair-ended") { copy: u32, repair: u32 }
    NoteWritten("shelf.note-written") { note: u32, text: String }
    SignPut("shelf.sign-put") { text: String }
    SignTakenDown("shelf.sign-taken-down") {}
    RoomMoved("shelf.room-moved") { number: u32 }
}

#[command_handlers]
impl Shelf {
    #[handle(create_if_missing)]
    fn add(&self, command: AddCopy) -> CopyAdded {
        CopyAdded { copy: command.copy }
    }

    #[handle(at = copies[copy])]
    fn lend(copy: &Copy, command: LendCopy) -> Result<CopyLent, ShelfError> {
        match &copy.reader {
            Some(reader) => Err(ShelfError::Lent { reader: reader.clone() }),
            None => Ok(CopyLent { copy: copy.copy, reader: command.reader }),
        }
    }

    #[handle(at = copies[copy])]
    fn drop_copy(_copy: &Copy, command: &DropCopy) -> CopyDropped {
        CopyDropped { copy: command.copy }
    }

    #[handle(at = copies[copy])]
    fn repair(copy: &Copy, command: &StartRepair) -> Option<RepairStarted> {
        let StartRepair { repair, cost, .. } = *command;
        (!copy.repairs.contains_key(&repair)).then_some(RepairStarted { copy: copy.copy, repair, cost })
    }

    /// The whole shelf may be looked at as well.
    #[handle(at = copies[copy].repairs[repair])]
    fn raise(&self, repair: &Repair, command: &RaiseCost) -> Option<CostRaised> {
        let RaiseCost { copy, repair: number, by, .. } = *command;
        (repair.cost + by <= 100 * self.copies.len() as u64).then_some(CostRaised { copy, repair: number, by })
    }

    #[handle(at = copies[copy].repairs[repair])]
    fn end_repair(_repair: &Repair, command: &EndRepair) -> RepairEnded {
        RepairEnded { copy: command.copy, repair: command.repair }
    }

    #[handle]
    fn note(&self, command: WriteNote) -> NoteWritten {
        NoteWritten { note: command.note, text: command.text }
    }

    #[handle]
    fn sign(&self, command: PutSign) -> SignPut {
        SignPut { text: command.text }
    }

    #[handle(at = sign?)]
    fn reword(sign: &Sign, command: RewordSign) -> Option<SignPut> {
        (sign.text != command.text).then_some(SignPut { text: command.text })
    }

    #[handle(at = sign?)]
    fn unsign(_sign: &Sign, _command: TakeSignDown) -> SignTakenDown {
        SignTakenDown {}
    }

    #[handle(at = room)]
    fn move_room(room: &Room, command: MoveRoom) -> Option<RoomMoved> {
        (room.number != command.number).then_some(RoomMoved { number: command.number })
    }

    /// A fault: the event is about a copy that need not be there.
    #[handle]
    fn misplace(&self, command: Misplace) -> CopyLent {
        CopyLent { copy: command.copy, reader: "nobody".to_owned() }
    }
}

#[event_sourcing]
impl Shelf {
    #[apply]
    fn added(&mut self, event: &CopyAdded) {
        self.copies.push(Copy { copy: event.copy, reader: None, repairs: BTreeMap::new() });
    }

    #[apply(at = copies[copy])]
    fn lent(copy: &mut Copy, event: &CopyLent) {
        copy.reader = Some(event.reader.clone());
    }

    #[apply(at = copies[copy], end)]
    fn dropped(_copy: &mut Copy, _event: &CopyDropped) {}

    #[apply(at = copies[copy])]
    fn repair_started(copy: &mut Copy, event: &RepairStarted) {
        copy.repairs.insert(event.repair, Repair { cost: event.cost });
    }

    /// What costs too much is given up.
    #[apply(at = copies[copy].repairs[repair])]
    fn raised(repair: &mut Repair, event: &CostRaised) -> Lifecycle {
        repair.cost += event.by;
        if repair.cost > 50 { Lifecycle::End } else { Lifecycle::Keep }
    }

    #[apply(at = copies[copy].repairs[repair], end)]
    fn repaired(_repair: &mut Repair, _event: &RepairEnded) {}

    #[apply]
    fn noted(&mut self, event: &NoteWritten) {
        self.notes.insert(event.note, event.text.clone());
    }

    #[apply]
    fn sign_put(&mut self, event: &SignPut) {
        self.sign = Some(Sign { text: event.text.clone() });
    }

    #[apply(at = sign?, end)]
    fn sign_taken_down(_sign: &mut Sign, _event: &SignTakenDown) {}

    #[apply(at = room)]
    fn moved(room: &mut Room, event: &RoomMoved) {
        room.number = event.number;
    }
}

fn shelf() -> String {
    "s-1".to_owned()
}

fn lend(copy: u32) -> LendCopy {
    LendCopy { shelf: shelf(), copy, reader: "ada".to_owned() }
}

fn two_copies() -> (CopyAdded, CopyAdded) {
    (CopyAdded { copy: 1 }, CopyAdded { copy: 2 })
}

fn lent(copy: u32) -> CopyLent {
    CopyLent { copy, reader: "ada".to_owned() }
}

#[test]
fn a_command_reaches_the_entity_that_it_names() {
    given::<Shelf>((two_copies(), lent(1))).when(lend(2)).then_events(lent(2));
    let error = ShelfError::Lent { reader: "ada".to_owned() };
    given::<Shelf>((two_copies(), lent(1))).when(lend(1)).then_error(error);
}

#[test]
fn a_command_for_an_entity_that_is_not_there_is_refused() {
    given::<Shelf>(two_copies()).when(lend(3)).then_entity_not_found("copies", 3);
    given::<Shelf>(two_copies())
        .when(RewordSign { shelf: shelf(), text: "x".into() })
        .then_entity_not_found("sign", "");
}

#[test]
fn an_entity_that_ends_leaves_its_collection() {
    let dropped = CopyDropped { copy: 1 };
    given::<Shelf>((two_copies(), dropped.clone())).when(lend(1)).then_entity_not_found("copies", 1);
    given::<Shelf>((two_copies(), dropped)).when(lend(2)).then_events(lent(2));
    let taken_down = (two_copies(), SignPut { text: "Poems".into() }, SignTakenDown {});
    given::<Shelf>(taken_down).when(TakeSignDown { shelf: shelf() }).then_entity_not_found("sign", "");
}

/// Number 7 exists in both copies.
fn repairs() -> ((CopyAdded, CopyAdded), RepairStarted, RepairStarted) {
    let started = |copy, cost| RepairStarted { copy, repair: 7, cost };
    (two_copies(), started(1, 10), started(2, 40))
}

fn raise(copy: u32) -> RaiseCost {
    RaiseCost { shelf: shelf(), copy, repair: 7, by: 15 }
}

#[test]
fn an_entity_within_an_entity_is_found_by_both_ids() {
    let raised = |copy| CostRaised { copy, repair: 7, by: 15 };
    given::<Shelf>((repairs(), raised(1))).when(raise(1)).then_events(raised(1));
    let end = |copy| EndRepair { shelf: shelf(), copy, repair: 7 };
    // The second repair has become too dear, and the first one not.
    given::<Shelf>((repairs(), raised(2))).when(end(2)).then_entity_not_found("repairs", 7);
    given::<Shelf>((repairs(), raised(2))).when(end(1)).then_events(RepairEnded { copy: 1, repair: 7 });
    given::<Shelf>(repairs()).when(raise(3)).then_entity_not_found("copies", 3);
}

#[test]
fn a_part_that_is_always_there_needs_no_id() {
    let move_to = |number| MoveRoom { shelf: shelf(), number };
    given::<Shelf>(two_copies()).when(move_to(4)).then_events(RoomMoved { number: 4 });
    given::<Shelf>((two_copies(), RoomMoved { number: 4 })).when(move_to(4)).then_nothing();
}

#[tokio::test]
async fn entities_live_in_stored_aggregates() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Shelf>()).await;
        for copy in [1, 2] {
            app.send(AddCopy { shelf: shelf(), copy }).await.unwrap();
        }
        app.send(lend(1)).await.unwrap();
        app.send(DropCopy { shelf: shelf(), copy: 1 }).await.unwrap();
        app.send(PutSign { shelf: shelf(), text: "Poems".into() }).await.unwrap();
        app.send(WriteNote { shelf: shelf(), note: 3, text: "dusty".into() }).await.unwrap();

        // On a node that has not seen them, from events and from a snapshot alike.
        for _ in 0..2 {
            let node = place.start(|app| app.include::<Shelf>()).await;
            let failure = node.send(lend(1)).await.unwrap_err();
            let SendError::Failed(failure @ CommandFailure::EntityNotFound { .. }) = failure else {
                panic!("expected `EntityNotFound`, got {failure:?}");
            };
            assert_eq!(failure.to_string(), "`bookshelf/s-1` has no entity `1` among its `copies`");
            let shelf = node.aggregate::<Shelf>("s-1").load().await.unwrap().unwrap().state;
            assert_eq!(shelf.copies.iter().map(|copy| copy.copy).collect::<Vec<_>>(), [2]);
            assert_eq!(shelf.sign, Some(Sign { text: "Poems".into() }));
            node.aggregate::<Shelf>("s-1").snapshot().await.unwrap();
            node.shutdown().await.unwrap();
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_for_an_entity_that_is_not_there_is_never_stored() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Shelf>()).await;
        let added = app.send(AddCopy { shelf: shelf(), copy: 1 }).await.unwrap();
        let failure = app.send(Misplace { shelf: shelf(), copy: 9 }).await.unwrap_err();
        let SendError::Failed(CommandFailure::Misfit { stream, source }) = failure else {
            panic!("expected `Misfit`, got {failure:?}");
        };
        assert_eq!((stream.to_string().as_str(), source.place), ("bookshelf/s-1", "at copies[copy]"));
        assert_eq!(app.journal().store().head().await.unwrap(), added.position);
        // The aggregate is as it was.
        app.send(lend(1)).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[test]
#[should_panic(expected = "the event `shelf.copy-lent` is applied at copies[copy], and the state is another one")]
fn the_kit_refuses_an_event_for_an_entity_that_is_not_there() {
    given::<Shelf>(two_copies()).when(Misplace { shelf: shelf(), copy: 9 }).then_events(lent(9));
}
