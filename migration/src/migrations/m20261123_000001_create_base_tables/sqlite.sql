-- The base on SQLite. `TIMESTAMP` and `JSON_TEXT` are names that the driver decodes; `JSON_TEXT` keeps the
-- affinity of text, where `JSON` would turn the document `1` into a number.
CREATE TABLE "Agency" (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    domain TEXT,
    settings JSON_TEXT DEFAULT '{}' NOT NULL,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    CONSTRAINT "Agency_pkey" PRIMARY KEY (id)
)
-- statement
CREATE INDEX "Agency_domain_idx" ON "Agency" (domain)
-- statement
CREATE UNIQUE INDEX "Agency_domain_key" ON "Agency" (domain)
-- statement
CREATE TABLE "User" (
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    "emailVerified" TIMESTAMP,
    name TEXT,
    image TEXT,
    role TEXT DEFAULT 'USER' NOT NULL CHECK (role IN ('USER', 'ADMIN', 'AGENCY_ADMIN', 'SUPER_ADMIN')),
    "agencyId" TEXT,
    "apiKey" TEXT,
    "apiKeyCreatedAt" TIMESTAMP,
    "onboardingCompleted" BOOLEAN DEFAULT FALSE NOT NULL,
    "activePackageType" TEXT CHECK ("activePackageType" IN ('SILVER', 'GOLD', 'PLATINUM')),
    "currentBillingPeriodStart" TIMESTAMP,
    "currentBillingPeriodEnd" TIMESTAMP,
    "pagesUsedThisPeriod" INTEGER DEFAULT 0 NOT NULL,
    "blogsUsedThisPeriod" INTEGER DEFAULT 0 NOT NULL,
    "gbpPostsUsedThisPeriod" INTEGER DEFAULT 0 NOT NULL,
    "improvementsUsedThisPeriod" INTEGER DEFAULT 0 NOT NULL,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    CONSTRAINT "User_pkey" PRIMARY KEY (id),
    CONSTRAINT "User_agencyId_fkey" FOREIGN KEY ("agencyId") REFERENCES "Agency"(id) ON UPDATE CASCADE ON DELETE SET NULL
)
-- statement
CREATE INDEX "User_agencyId_idx" ON "User" ("agencyId")
-- statement
CREATE INDEX "User_apiKey_idx" ON "User" ("apiKey")
-- statement
CREATE UNIQUE INDEX "User_apiKey_key" ON "User" ("apiKey")
-- statement
CREATE INDEX "User_email_idx" ON "User" (email)
-- statement
CREATE UNIQUE INDEX "User_email_key" ON "User" (email)
-- statement
CREATE TABLE "Account" (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    type TEXT NOT NULL,
    provider TEXT NOT NULL,
    "providerAccountId" TEXT NOT NULL,
    refresh_token TEXT,
    access_token TEXT,
    expires_at INTEGER,
    token_type TEXT,
    scope TEXT,
    id_token TEXT,
    session_state TEXT,
    CONSTRAINT "Account_pkey" PRIMARY KEY (id),
    CONSTRAINT "Account_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
)
-- statement
CREATE UNIQUE INDEX "Account_provider_providerAccountId_key" ON "Account" (provider, "providerAccountId")
-- statement
CREATE INDEX "Account_userId_idx" ON "Account" ("userId")
-- statement
CREATE TABLE "Session" (
    id TEXT NOT NULL,
    "sessionToken" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    expires TIMESTAMP NOT NULL,
    CONSTRAINT "Session_pkey" PRIMARY KEY (id),
    CONSTRAINT "Session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
)
-- statement
CREATE UNIQUE INDEX "Session_sessionToken_key" ON "Session" ("sessionToken")
-- statement
CREATE INDEX "Session_userId_idx" ON "Session" ("userId")
-- statement
CREATE TABLE "VerificationToken" (
    identifier TEXT NOT NULL,
    token TEXT NOT NULL,
    expires TIMESTAMP NOT NULL
)
-- statement
CREATE UNIQUE INDEX "VerificationToken_identifier_token_key" ON "VerificationToken" (identifier, token)
-- statement
CREATE UNIQUE INDEX "VerificationToken_token_key" ON "VerificationToken" (token)
-- statement
CREATE TABLE "UserPreferences" (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "emailNotifications" BOOLEAN DEFAULT TRUE NOT NULL,
    "requestCreated" BOOLEAN DEFAULT TRUE NOT NULL,
    "statusChanged" BOOLEAN DEFAULT TRUE NOT NULL,
    "taskCompleted" BOOLEAN DEFAULT TRUE NOT NULL,
    "weeklySummary" BOOLEAN DEFAULT TRUE NOT NULL,
    "marketingEmails" BOOLEAN DEFAULT FALSE NOT NULL,
    timezone TEXT DEFAULT 'America/New_York',
    language TEXT DEFAULT 'en',
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    CONSTRAINT "UserPreferences_pkey" PRIMARY KEY (id),
    CONSTRAINT "UserPreferences_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
)
-- statement
CREATE UNIQUE INDEX "UserPreferences_userId_key" ON "UserPreferences" ("userId")
-- statement
CREATE TABLE "Request" (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "agencyId" TEXT,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    type TEXT NOT NULL,
    priority TEXT DEFAULT 'MEDIUM' NOT NULL CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH')),
    status TEXT DEFAULT 'PENDING' NOT NULL CHECK (status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')),
    "packageType" TEXT CHECK ("packageType" IN ('SILVER', 'GOLD', 'PLATINUM')),
    "pagesCompleted" INTEGER DEFAULT 0 NOT NULL,
    "blogsCompleted" INTEGER DEFAULT 0 NOT NULL,
    "gbpPostsCompleted" INTEGER DEFAULT 0 NOT NULL,
    "improvementsCompleted" INTEGER DEFAULT 0 NOT NULL,
    keywords JSON_TEXT,
    "targetUrl" TEXT,
    "targetCities" JSON_TEXT,
    "targetModels" JSON_TEXT,
    "completedTasks" JSON_TEXT,
    "contentUrl" TEXT,
    "pageTitle" TEXT,
    "completedAt" TIMESTAMP,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    "seoworksTaskId" TEXT,
    CONSTRAINT "Request_pkey" PRIMARY KEY (id),
    CONSTRAINT "Request_agencyId_fkey" FOREIGN KEY ("agencyId") REFERENCES "Agency"(id) ON UPDATE CASCADE ON DELETE SET NULL,
    CONSTRAINT "Request_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE RESTRICT
)
-- statement
CREATE INDEX "Request_agencyId_status_idx" ON "Request" ("agencyId", status)
-- statement
CREATE INDEX "Request_seoworksTaskId_idx" ON "Request" ("seoworksTaskId")
-- statement
CREATE INDEX "Request_status_createdAt_idx" ON "Request" (status, "createdAt")
-- statement
CREATE INDEX "Request_userId_status_idx" ON "Request" ("userId", status)
-- statement
CREATE TABLE "Task" (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "requestId" TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT,
    type TEXT NOT NULL CHECK (type IN ('PAGE', 'BLOG', 'GBP_POST', 'IMPROVEMENT')),
    status TEXT DEFAULT 'PENDING' NOT NULL CHECK (status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')),
    priority TEXT DEFAULT 'MEDIUM' NOT NULL CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH')),
    "targetUrl" TEXT,
    "targetCity" TEXT,
    "targetModel" TEXT,
    keywords JSON_TEXT,
    "completedUrl" TEXT,
    "completedTitle" TEXT,
    "completedNotes" TEXT,
    "dueDate" TIMESTAMP,
    "startedAt" TIMESTAMP,
    "completedAt" TIMESTAMP,
    metadata JSON_TEXT,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    CONSTRAINT "Task_pkey" PRIMARY KEY (id),
    CONSTRAINT "Task_requestId_fkey" FOREIGN KEY ("requestId") REFERENCES "Request"(id) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT "Task_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE RESTRICT
)
-- statement
CREATE INDEX "Task_requestId_status_idx" ON "Task" ("requestId", status)
-- statement
CREATE INDEX "Task_status_dueDate_idx" ON "Task" (status, "dueDate")
-- statement
CREATE INDEX "Task_type_status_idx" ON "Task" (type, status)
-- statement
CREATE INDEX "Task_userId_status_idx" ON "Task" ("userId", status)
-- statement
CREATE TABLE "SEOWorksTaskMapping" (
    id TEXT NOT NULL,
    "requestId" TEXT NOT NULL,
    "seoworksTaskId" TEXT NOT NULL,
    "taskType" TEXT NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    CONSTRAINT "SEOWorksTaskMapping_pkey" PRIMARY KEY (id),
    CONSTRAINT "SEOWorksTaskMapping_seoworksTaskId_key" UNIQUE ("seoworksTaskId"),
    CONSTRAINT "SEOWorksTaskMapping_requestId_fkey" FOREIGN KEY ("requestId") REFERENCES "Request"(id) ON UPDATE CASCADE ON DELETE CASCADE
)
-- statement
CREATE INDEX "SEOWorksTaskMapping_requestId_idx" ON "SEOWorksTaskMapping" ("requestId")
-- statement
CREATE INDEX "SEOWorksTaskMapping_seoworksTaskId_idx" ON "SEOWorksTaskMapping" ("seoworksTaskId")
-- statement
CREATE INDEX "SEOWorksTaskMapping_status_idx" ON "SEOWorksTaskMapping" (status)
-- statement
CREATE TABLE "GA4Connection" (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "accessToken" TEXT NOT NULL,
    "refreshToken" TEXT,
    "expiresAt" TIMESTAMP,
    "propertyId" TEXT,
    "propertyName" TEXT,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    CONSTRAINT "GA4Connection_pkey" PRIMARY KEY (id),
    CONSTRAINT "GA4Connection_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
)
-- statement
CREATE UNIQUE INDEX "GA4Connection_userId_key" ON "GA4Connection" ("userId")
-- statement
CREATE TABLE "SearchConsoleConnection" (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "accessToken" TEXT NOT NULL,
    "refreshToken" TEXT,
    "expiresAt" TIMESTAMP,
    "siteUrl" TEXT,
    "siteName" TEXT,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    CONSTRAINT "SearchConsoleConnection_pkey" PRIMARY KEY (id),
    CONSTRAINT "SearchConsoleConnection_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
)
-- statement
CREATE UNIQUE INDEX "SearchConsoleConnection_userId_key" ON "SearchConsoleConnection" ("userId")
-- statement
CREATE TABLE "MonthlyUsage" (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    month INTEGER NOT NULL,
    year INTEGER NOT NULL,
    "packageType" TEXT NOT NULL CHECK ("packageType" IN ('SILVER', 'GOLD', 'PLATINUM')),
    "pagesUsed" INTEGER NOT NULL,
    "blogsUsed" INTEGER NOT NULL,
    "gbpPostsUsed" INTEGER NOT NULL,
    "improvementsUsed" INTEGER NOT NULL,
    "archivedAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    CONSTRAINT "MonthlyUsage_pkey" PRIMARY KEY (id),
    CONSTRAINT "MonthlyUsage_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
)
-- statement
CREATE INDEX "MonthlyUsage_userId_idx" ON "MonthlyUsage" ("userId")
-- statement
CREATE UNIQUE INDEX "MonthlyUsage_userId_month_year_key" ON "MonthlyUsage" ("userId", month, year)
-- statement
CREATE TABLE "AuditLog" (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    "resourceId" TEXT,
    details JSON_TEXT,
    "ipAddress" TEXT,
    "userAgent" TEXT,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    CONSTRAINT "AuditLog_pkey" PRIMARY KEY (id),
    CONSTRAINT "AuditLog_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
)
-- statement
CREATE INDEX "AuditLog_action_idx" ON "AuditLog" (action)
-- statement
CREATE INDEX "AuditLog_createdAt_idx" ON "AuditLog" ("createdAt")
-- statement
CREATE INDEX "AuditLog_resource_idx" ON "AuditLog" (resource)
-- statement
CREATE INDEX "AuditLog_userId_idx" ON "AuditLog" ("userId")
-- statement
CREATE TABLE "SystemSettings" (
    id TEXT NOT NULL,
    "maintenanceMode" BOOLEAN DEFAULT FALSE NOT NULL,
    "newUserRegistration" BOOLEAN DEFAULT TRUE NOT NULL,
    "emailNotifications" BOOLEAN DEFAULT TRUE NOT NULL,
    "auditLogging" BOOLEAN DEFAULT TRUE NOT NULL,
    "maxUsersPerAgency" INTEGER DEFAULT 50 NOT NULL,
    "maxRequestsPerUser" INTEGER DEFAULT 1000 NOT NULL,
    "maxFileUploadSize" INTEGER DEFAULT 10 NOT NULL,
    "smtpHost" TEXT DEFAULT '' NOT NULL,
    "smtpPort" INTEGER DEFAULT 587 NOT NULL,
    "smtpUser" TEXT DEFAULT '' NOT NULL,
    "smtpFromEmail" TEXT DEFAULT '' NOT NULL,
    "maintenanceMessage" TEXT DEFAULT 'The system is currently under maintenance. Please try again later.' NOT NULL,
    "welcomeMessage" TEXT DEFAULT 'Welcome to our SEO management platform! Get started by exploring your dashboard.' NOT NULL,
    "rateLimitPerMinute" INTEGER DEFAULT 60 NOT NULL,
    "sessionTimeoutMinutes" INTEGER DEFAULT 480 NOT NULL,
    "createdAt" TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')) NOT NULL,
    "updatedAt" TIMESTAMP NOT NULL,
    CONSTRAINT "SystemSettings_pkey" PRIMARY KEY (id)
)
