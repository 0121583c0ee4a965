//! Columns of a service's types: typed JSON, an enumeration of numbers, and a unique key of several kinds.

use rylie_db::own::*;
use rylie_testkit::own::assert_all_isolated;

use super::world;
use crate::own::downstream::tables;
use crate::own::parts::{Level, Size, part, schema};

fn new_part(shelf: &str, level: Level, size: Size) -> part::ActiveModel {
    part::ActiveModel { shelf: Set(shelf.to_owned()), level: Set(level), size: Set(size), ..Default::default() }
}

#[tokio::test]
async fn typed_json_and_numbered_enumerations_return_what_was_stored() {
    let world = world(schema()).await;
    assert_all_isolated(&world).await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let of = || tables(&*unit).of::<part::Entity>();
    let (small, big) = (Size { width: 1, notes: vec!["é".to_owned()] }, Size { width: i64::MAX, notes: vec![] });
    let row = part::ActiveModel { packed: Set(Some(big.clone())), ..new_part("a", Level::High, small.clone()) };
    let added = of().add(row).await.unwrap();
    let read = of().get(&added.id).await.unwrap();
    assert_eq!(read, added);
    assert_eq!((read.level, read.former, read.size, read.packed), (Level::High, None, small.clone(), Some(big)));

    let set = part::ActiveModel { level: Set(Level::Low), former: Set(Some(Level::High)), ..Default::default() };
    assert_eq!(of().update(&added.id, set).await.unwrap().former, Some(Level::High));
    assert_eq!(of().filter(part::Column::Level.eq(Level::Low)).count().await.unwrap(), 1);
    assert_eq!(of().filter(part::Column::Level.is_in([Level::High])).count().await.unwrap(), 0);
    of().add_many(vec![new_part("b", Level::High, small.clone()), new_part("c", Level::High, small)]).await.unwrap();
    assert_eq!(of().count_by(part::Column::Level).await.unwrap(), [("1".to_owned(), 1), ("3".to_owned(), 2)].into());
    assert_eq!(of().count_by(part::Column::Former).await.unwrap(), [("3".to_owned(), 1)].into());
    assert_eq!(of().count_by(part::Column::Shelf).await.unwrap().len(), 3);
    let by_json = of().count_by(part::Column::Size).await;
    assert!(matches!(&by_json, Err(Error::InvalidColumn { column, .. }) if column == "size"), "{by_json:?}");
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn many_rows_are_upserted_by_a_key_of_several_columns() {
    let world = world(schema()).await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let size = |width: i64| Size { width, notes: vec![] };
    for agency in [&theirs, &ours] {
        let unit = agency.unit().await.unwrap();
        let of = || tables(&*unit).of::<part::Entity>();
        let key = [part::Column::Shelf, part::Column::Level];
        let rows = vec![new_part("a", Level::Low, size(1)), new_part("a", Level::High, size(2))];
        let saved = of().upsert_many(rows, &key, &[part::Column::Size]).await.unwrap();
        assert_eq!((saved.changed, saved.not_found), (2, 0));
        let rows = vec![
            new_part("a", Level::High, size(3)),
            new_part("b", Level::High, size(4)),
            new_part("a", Level::Low, size(5)),
        ];
        let saved = of().upsert_many(rows, &key, &[part::Column::Size]).await.unwrap();
        assert_eq!((saved.asked, saved.changed, saved.not_found), (3, 3, 0));
        let list = of().order_by(part::Column::Shelf, Order::Asc).order_by(part::Column::Level, Order::Asc);
        let list = list.list(PageRequest::default()).await.unwrap().items;
        let found: Vec<_> = list.iter().map(|row| (row.shelf.as_str(), row.level, row.size.width)).collect();
        assert_eq!(found, [("a", Level::Low, 5), ("a", Level::High, 3), ("b", Level::High, 4)]);
        let without = part::ActiveModel { shelf: NotSet, ..new_part("a", Level::Low, size(1)) };
        let refused = of().upsert_many(vec![without], &key, &[part::Column::Size]).await;
        assert!(refused.is_err(), "{refused:?}");
        drop(list);
        if agency.agency.id == theirs.agency.id {
            // A failed statement spoils the unit; the rows of the other tenant are added again.
            drop(unit);
            let unit = agency.unit().await.unwrap();
            tables(&*unit).of::<part::Entity>().add(new_part("a", Level::Low, size(9))).await.unwrap();
            unit.commit().await.unwrap();
        }
    }
}
