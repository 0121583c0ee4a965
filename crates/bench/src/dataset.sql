-- The data set: $REQUESTS requests, three tasks for each of the first 200,000, $USERS users, $AGENCIES agencies.
--
-- The formulas are deterministic. An id is 'c', nine hexadecimal digits of the row's number, eight of a hash of it and
-- a tag. It increases with the number, as a cuid increases with time, and a client can compute it.
--   agency 1    a fifth of all requests: the large tenant
--   agency 2    one in a hundred
--   no agency   one in a hundred
--   the others  share the rest
-- Additional columns that a live database may have: the other clients read and write them.
ALTER TABLE "Agency" ADD COLUMN IF NOT EXISTS metadata jsonb;
ALTER TABLE "User" ADD COLUMN IF NOT EXISTS ai_preferences jsonb;
ALTER TABLE "Request" ADD COLUMN IF NOT EXISTS extended_data jsonb;
ALTER TABLE "SEOWorksTaskMapping" ADD COLUMN IF NOT EXISTS metadata jsonb;
BEGIN;
SET LOCAL synchronous_commit = off;
SET LOCAL statement_timeout = 0;
SET LOCAL timezone = 'UTC';
-- The rows contain their tenant and valid references, so the triggers are not needed.
SET LOCAL session_replication_role = replica;

CREATE FUNCTION pg_temp.hash(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
  AS $$ SELECT ((x # (x >> 15)) * 1597334677) % 4294967296 >> 3 FROM (VALUES ((n * 2654435761) % 4294967296)) v(x) $$;
CREATE FUNCTION pg_temp.id(n bigint, tag text) RETURNS text LANGUAGE sql IMMUTABLE
  AS $$ SELECT 'c' || lpad(to_hex(n), 9, '0') || lpad(to_hex((n * 2654435761) % 4294967296), 8, '0') || tag $$;

INSERT INTO "Agency" ("id","tenantId","name","domain","settings","createdAt","updatedAt","metadata")
SELECT pg_temp.id(n,'agency0'), pg_temp.id(n,'agency0'), 'Agency ' || n, 'agency-' || n || '.example',
       jsonb_build_object('theme', n % 3, 'locale', 'en'),
       timestamp '2024-06-01' + n * interval '1 hour', timestamp '2024-06-01' + n * interval '1 hour', '{}'
FROM generate_series(1::bigint, $AGENCIES) n;

-- User u is in agency 1 + (u-1) % $AGENCIES. The first user of each agency administers it. The last 200 have no agency.
INSERT INTO "User" ("id","tenantId","email","name","role","agencyId","onboardingCompleted","activePackageType",
   "currentBillingPeriodStart","currentBillingPeriodEnd","pagesUsedThisPeriod","blogsUsedThisPeriod",
   "gbpPostsUsedThisPeriod","improvementsUsedThisPeriod","createdAt","updatedAt","ai_preferences")
SELECT pg_temp.id(u,'user000'), coalesce(agency, 'user:' || pg_temp.id(u,'user000')), 'user' || u || '@mail.example', 'User ' || u,
       (CASE WHEN u <= $AGENCIES THEN 'AGENCY_ADMIN' ELSE 'USER' END)::"UserRole", agency,
       true, (ARRAY['SILVER','GOLD','PLATINUM'])[1 + u % 3]::"PackageType",
       timestamp '2025-06-01', timestamp '2025-07-01', u % 9, u % 7, u % 5, u % 3,
       timestamp '2024-07-01' + u * interval '11 minutes', timestamp '2025-06-01', '{}'
FROM (SELECT u, CASE WHEN u <= $USERS - 200 THEN pg_temp.id(1 + (u - 1) % $AGENCIES, 'agency0') END AS agency
      FROM generate_series(1::bigint, $USERS) u) users;

INSERT INTO "Request" ("id","tenantId","userId","agencyId","title","description","type","priority","status","packageType",
   "pagesCompleted","blogsCompleted","gbpPostsCompleted","improvementsCompleted","keywords","targetUrl",
   "targetCities","targetModels","completedTasks","completedAt","createdAt","updatedAt","seoworksTaskId","extended_data")
SELECT pg_temp.id(n,'request'), coalesce(agency, 'user:' || "user"), "user", agency,
       'Request number ' || n || ' about local search',
       repeat('Write about the new models and the service offers in town. ', 3) || n,
       (ARRAY['page','blog','gbp_post','maintenance'])[1 + n % 4],
       (ARRAY['LOW','MEDIUM','HIGH'])[1 + (hash / 17017) % 3]::"RequestPriority",
       status::"RequestStatus",
       (ARRAY['SILVER','GOLD','PLATINUM'])[1 + (hash / 90001) % 3]::"PackageType",
       n % 4, n % 3, n % 2, n % 5,
       jsonb_build_array('suv lease', 'oil change', 'kw' || n % 97),
       'https://dealer-' || n % 500 || '.example/new',
       jsonb_build_array('Springfield', 'Shelbyville'), jsonb_build_array('Model A', 'Model B'),
       CASE WHEN status = 'COMPLETED' THEN jsonb_build_array(jsonb_build_object('title', 'Page ' || n, 'url', 'https://dealer.example/' || n, 'type', 'page')) END,
       CASE WHEN status = 'COMPLETED' THEN at + interval '3 days' END,
       at, at, NULL, '{}'
FROM (SELECT n, hash, CASE WHEN a IS NOT NULL THEN pg_temp.id(a, 'agency0') END AS agency,
             pg_temp.id(CASE WHEN a IS NULL THEN $USERS - 199 + (hash / 211) % 200
                             ELSE a + $AGENCIES * ((hash / 211) % (($USERS - 200) / $AGENCIES)) END, 'user000') AS "user",
             CASE (hash / 1000) % 10 WHEN 5 THEN 'PENDING' WHEN 6 THEN 'PENDING' WHEN 7 THEN 'IN_PROGRESS'
                WHEN 8 THEN 'IN_PROGRESS' WHEN 9 THEN 'CANCELLED' ELSE 'COMPLETED' END AS status,
             timestamp '2025-01-01' + n * interval '97 seconds' + (hash % 1000) * interval '1 millisecond' AS at
      FROM (SELECT n, pg_temp.hash(n) AS hash,
                   CASE WHEN n % 5 = 0 THEN 1 WHEN n % 100 = 1 THEN 2 WHEN n % 100 = 2 THEN NULL
                        ELSE 3 + pg_temp.hash(n) % ($AGENCIES - 2) END AS a
            FROM generate_series(1::bigint, $REQUESTS) n) numbered) placed;

INSERT INTO "Task" ("id","tenantId","userId","requestId","title","description","type","status","priority","targetUrl",
   "targetCity","keywords","dueDate","metadata","createdAt","updatedAt")
SELECT pg_temp.id(3 * (n - 1) + k, 'task000'), q."tenantId", q."userId", q."id",
       'Task ' || k || ' of request ' || n, 'Short note for the writer, part ' || k,
       (ARRAY['PAGE','BLOG','GBP_POST','IMPROVEMENT'])[1 + (n + k) % 4]::"TaskType",
       q."status"::text::"TaskStatus", q."priority", q."targetUrl", 'Springfield',
       jsonb_build_array('kw' || k), q."createdAt" + interval '14 days', NULL, q."createdAt", q."createdAt"
FROM generate_series(1::bigint, least($REQUESTS, 200000)) n JOIN "Request" q ON q."id" = pg_temp.id(n, 'request')
CROSS JOIN generate_series(1, 3) k
ORDER BY n, k;
COMMIT;
-- The login of the service: neither superuser nor owner, so that row-level security applies to it.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_bench') THEN
    CREATE ROLE rylie_bench LOGIN PASSWORD 'rylie_bench' NOSUPERUSER NOBYPASSRLS;
  END IF;
END $$;
GRANT rylie_doors TO rylie_bench;
VACUUM (ANALYZE) "Agency", "User", "Request", "Task";
