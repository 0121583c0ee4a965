//! Times that another program stored and no reader can hold, in rows that are read in the text form of the protocol.

use rylie_db::prelude::*;
use rylie_db::repositories::PreferencesChanges;

use super::world;
use crate::support::audit::ODD;
use crate::support::sql::Sql;

#[tokio::test]
async fn an_odd_time_prevents_neither_a_read_at_once_nor_a_write_that_begins_with_one() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (scope, me) = (agency.scope(), &agency.admin.user.id);
    let unit = agency.unit().await.unwrap();
    let made = unit
        .requests()
        .add_with_tasks(NewRequest::new("t", RequestKind::Page), vec![NewTask::new("a", TaskType::Page)]);
    let request = made.await.unwrap().request.id;
    unit.commit().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;

    for time in ODD {
        for (table, column) in [("User", "createdAt"), ("Request", "createdAt"), ("Task", "dueDate")] {
            sql.run(&format!("UPDATE \"{table}\" SET \"{column}\" = {time}")).await;
        }
        let read = async || world.store().tenant(&scope).read_only().autocommit().await.unwrap();
        let binary = agency.unit().await.unwrap().users().get(me).await.unwrap().created_at;
        assert_eq!(read().await.users().get(me).await.unwrap().created_at, binary, "{time}");
        let users = read().await.users().list(UserFilter::default(), PageRequest::default()).await.unwrap().items;
        assert!(users.iter().any(|user| user.created_at == binary), "{time}");
        assert_eq!(read().await.requests().get_with_tasks(&request).await.unwrap().tasks.len(), 1, "{time}");
        let page = read().await.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
        assert_eq!(page.items.len(), 1, "{time}");

        let unit = world.store().tenant(&scope).deferred().await.unwrap();
        unit.preferences().save(me, PreferencesChanges::default()).await.unwrap();
        unit.commit().await.unwrap();
    }
}
