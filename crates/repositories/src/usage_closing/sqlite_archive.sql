INSERT INTO "MonthlyUsage" ("id", "userId", "tenantId", "month", "year", "packageType",
                            "pagesUsed", "blogsUsed", "gbpPostsUsed", "improvementsUsed", "archivedAt")
SELECT lower(hex(randomblob(16))), "id", "tenantId",
       CAST(strftime('%m', "currentBillingPeriodStart") AS INTEGER), CAST(strftime('%Y', "currentBillingPeriodStart") AS INTEGER),
       "activePackageType", "pagesUsedThisPeriod", "blogsUsedThisPeriod", "gbpPostsUsedThisPeriod",
       "improvementsUsedThisPeriod", ?1
FROM "User"
WHERE "id" IN (
    SELECT "id" FROM "User"
    WHERE "activePackageType" IS NOT NULL
      AND "currentBillingPeriodStart" IS NOT NULL
      AND "currentBillingPeriodEnd" <= ?1
    ORDER BY "currentBillingPeriodEnd", "id"
    LIMIT ?2
)
ON CONFLICT ("userId", "month", "year") DO UPDATE SET
    "pagesUsed" = "MonthlyUsage"."pagesUsed" + excluded."pagesUsed",
    "blogsUsed" = "MonthlyUsage"."blogsUsed" + excluded."blogsUsed",
    "gbpPostsUsed" = "MonthlyUsage"."gbpPostsUsed" + excluded."gbpPostsUsed",
    "improvementsUsed" = "MonthlyUsage"."improvementsUsed" + excluded."improvementsUsed",
    "packageType" = excluded."packageType",
    "archivedAt" = excluded."archivedAt"
