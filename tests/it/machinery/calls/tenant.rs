//! Calls in tenant units.

use rylie_db::prelude::*;
use rylie_db::repositories::{
    AgencyChanges, AuditFilter, NewGa4Connection, NewSearchConsoleConnection, NewSeoWorksMapping, PreferencesChanges,
    RequestChanges, UserChanges, UserFilter,
};

use super::listed;
use super::rows::{CLAIMED, new_request, secret};

fn page() -> PageRequest {
    PageRequest::default()
}

fn walk() -> KeysetRequest {
    KeysetRequest::default()
}

fn task() -> NewTask {
    NewTask::new("new", TaskType::Blog)
}

listed! { Tenant by tenant:
    UserRepository {
        find: |unit, rows| unit.users().find(&rows.member);
        find_many: |unit, rows| unit.users().find_many(std::slice::from_ref(&rows.member));
        get: |unit, rows| unit.users().get(&rows.member);
        list: |unit, rows| unit.users().list(UserFilter::default(), page());
        list_after: |unit, rows| unit.users().list_after(UserFilter::default(), walk());
        summaries: |unit, rows| unit.users().summaries();
        add: |unit, rows| unit.users().add(NewUser::new("new@example.com"));
        update: |unit, rows| unit.users().update(&rows.member, UserChanges { name: Patch::Set("n".into()), ..Default::default() });
        set_role: |unit, rows| unit.users().set_role(&rows.member, UserRole::AgencyAdmin);
        remove: |unit, rows| unit.users().remove(&rows.leaver);
    }
    AgencyRepository {
        find: |unit, rows| unit.agencies().find(&rows.agency);
        find_many: |unit, rows| unit.agencies().find_many(std::slice::from_ref(&rows.agency));
        list: |unit, rows| unit.agencies().list(page());
        list_after: |unit, rows| unit.agencies().list_after(walk());
        update: |unit, rows| unit.agencies().update(&rows.agency, AgencyChanges { name: Some("n".into()), settings: None });
    }
    PreferencesRepository {
        find: |unit, rows| unit.preferences().find(&rows.admin);
        save: |unit, rows| unit.preferences().save(&rows.member, PreferencesChanges { weekly_summary: Some(false), ..Default::default() });
    }
    RequestRepository {
        find: |unit, rows| unit.requests().find(&rows.request);
        find_many: |unit, rows| unit.requests().find_many(std::slice::from_ref(&rows.request));
        get: |unit, rows| unit.requests().get(&rows.request);
        get_for_update: |unit, rows| unit.requests().get_for_update(&rows.request);
        get_with_tasks: |unit, rows| unit.requests().get_with_tasks(&rows.request);
        list: |unit, rows| unit.requests().list(RequestFilter::default(), page());
        list_after: |unit, rows| unit.requests().list_after(RequestFilter::default(), walk());
        overview: |unit, rows| unit.requests().overview(RequestFilter::default(), walk());
        add: |unit, rows| unit.requests().add(new_request("new"));
        add_with_tasks: |unit, rows| unit.requests().add_with_tasks(new_request("new"), vec![task(), task()]);
        update: |unit, rows| unit.requests().update(&rows.request, RequestChanges { title: Some("t".into()), ..Default::default() });
        set_status: |unit, rows| unit.requests().set_status(&rows.request, RequestStatus::Completed);
        set_status_recorded: |unit, rows| unit.requests().set_status_recorded(&rows.request, RequestStatus::Completed);
        remove: |unit, rows| unit.requests().remove(&rows.request);
        restore: |unit, rows| unit.requests().restore(&rows.deleted);
        purge: |unit, rows| unit.requests().purge(&rows.deleted);
        add_many: |unit, rows| unit.requests().add_many(vec![new_request("one"), new_request("two")]);
        set_status_many: |unit, rows| unit.requests().set_status_many(&[rows.request.clone(), rows.bare.clone()], RequestStatus::InProgress);
        remove_many: |unit, rows| unit.requests().remove_many(&[rows.request.clone(), rows.bare.clone()]);
        restore_many: |unit, rows| unit.requests().restore_many(std::slice::from_ref(&rows.deleted));
        purge_many: |unit, rows| unit.requests().purge_many(std::slice::from_ref(&rows.deleted));
    }
    TaskRepository {
        find: |unit, rows| unit.tasks().find(&rows.task);
        find_many: |unit, rows| unit.tasks().find_many(std::slice::from_ref(&rows.task));
        list: |unit, rows| unit.tasks().list(TaskFilter::default(), page());
        list_after: |unit, rows| unit.tasks().list_after(TaskFilter::default(), walk());
        add: |unit, rows| unit.tasks().add(&rows.request, task());
        set_status: |unit, rows| unit.tasks().set_status(&rows.task, TaskStatus::Completed);
        remove: |unit, rows| unit.tasks().remove(&rows.task);
        restore: |unit, rows| unit.tasks().restore(&rows.deleted_task);
        purge: |unit, rows| unit.tasks().purge(&rows.deleted_task);
        add_many: |unit, rows| unit.tasks().add_many(vec![(rows.request.clone(), task()), (rows.bare.clone(), task())]);
        set_status_many: |unit, rows| unit.tasks().set_status_many(std::slice::from_ref(&rows.task), TaskStatus::Completed);
        remove_many: |unit, rows| unit.tasks().remove_many(std::slice::from_ref(&rows.task));
        restore_many: |unit, rows| unit.tasks().restore_many(std::slice::from_ref(&rows.deleted_task));
        purge_many: |unit, rows| unit.tasks().purge_many(std::slice::from_ref(&rows.deleted_task));
    }
    SeoWorksMappingRepository {
        find_by_task: |unit, rows| unit.seoworks_mappings().find_by_task("seoworks-1");
        list: |unit, rows| unit.seoworks_mappings().list(page());
        list_after: |unit, rows| unit.seoworks_mappings().list_after(walk());
        add: |unit, rows| unit.seoworks_mappings().add(NewSeoWorksMapping::new(rows.bare.clone(), "seoworks-2", "page"));
        save_many: |unit, rows| unit.seoworks_mappings().save_many(vec![
            NewSeoWorksMapping::new(rows.request.clone(), "seoworks-1", "blog"),
            NewSeoWorksMapping::new(rows.bare.clone(), "seoworks-3", "page"),
        ]);
        set_status: |unit, rows| unit.seoworks_mappings().set_status(&rows.mapping, "done");
        remove: |unit, rows| unit.seoworks_mappings().remove(&rows.mapping);
    }
    Ga4ConnectionRepository {
        find: |unit, rows| unit.ga4_connections().find(&rows.admin);
        save: |unit, rows| unit.ga4_connections().save(NewGa4Connection::new(secret()));
        open_tokens: |unit, rows| unit.ga4_connections().open_tokens(&rows.admin);
        open: |unit, rows| unit.ga4_connections().open(&rows.ga4);
        remove: |unit, rows| unit.ga4_connections().remove(&rows.admin);
    }
    SearchConsoleConnectionRepository {
        find: |unit, rows| unit.search_console_connections().find(&rows.admin);
        save: |unit, rows| unit.search_console_connections().save(NewSearchConsoleConnection::new(secret()));
        open_tokens: |unit, rows| unit.search_console_connections().open_tokens(&rows.admin);
        open: |unit, rows| unit.search_console_connections().open(&rows.search_console);
        remove: |unit, rows| unit.search_console_connections().remove(&rows.admin);
    }
    ApiKeyRepository {
        issue: |unit, rows| unit.api_keys().issue(&rows.member);
        revoke: |unit, rows| unit.api_keys().revoke(&rows.admin);
        confirm: |unit, rows| unit.api_keys().confirm(&rows.admin, &rows.api_key);
    }
    UsageRepository {
        use_page: |unit, rows| unit.usage().use_page(&rows.member, "a page");
        use_blog: |unit, rows| unit.usage().use_blog(&rows.member, "a blog");
        use_gbp_post: |unit, rows| unit.usage().use_gbp_post(&rows.member, "a post");
        use_improvement: |unit, rows| unit.usage().use_improvement(&rows.member, "an improvement");
        use_one: |unit, rows| unit.usage().use_one(&rows.member, TaskType::Page, "one");
        find: |unit, rows| unit.usage().find(&rows.member, 2026, 1);
        list: |unit, rows| unit.usage().list(None, page());
        list_after: |unit, rows| unit.usage().list_after(None, walk());
    }
    IdempotencyRepository {
        claim: |unit, rows| unit.idempotency().claim("a new key", "a fingerprint");
        answer: |unit, rows| unit.idempotency().answer(CLAIMED, "an answer");
    }
    AuditRepository {
        record: |unit, rows| unit.audit().record(Event::new(Action::Other("SENT".into())).on_row("Request", "r1"));
        list: |unit, rows| unit.audit().list(AuditFilter::default(), page());
        list_after: |unit, rows| unit.audit().list_after(AuditFilter::default(), walk());
    }
}
