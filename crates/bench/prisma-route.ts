// The authenticated page as the guide's service has it: the session of a token with its user, then a page of the user's
// agency and its total. `run-all` builds it in the folder of the Prisma peer. One line of JSON, as the peer prints it.
//
//   DATABASE_URL=… node prisma-route.mjs authenticated_page_c16
import pg from 'pg'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from './generated/client'

const workload = process.argv[2] ?? ''
const callers = Number(/_c(\d+)$/.exec(workload)?.[1] ?? 1)
const seconds = (name: string, fallback: number) => Number(process.env[name] ?? fallback)
const connectionString = process.env.DATABASE_URL
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString, max: seconds('POOL_MAX', 10) }) })

const SESSIONS = `INSERT INTO "Session" ("id", "sessionToken", "userId", "expires")
  SELECT 'route' || id, 'route-' || id, id, now() AT TIME ZONE 'UTC' + interval '1 day'
  FROM (SELECT id FROM "User" WHERE role = 'AGENCY_ADMIN' AND "agencyId" IS NOT NULL ORDER BY id OFFSET 2 LIMIT 198) u
  ON CONFLICT DO NOTHING`

async function tokens(): Promise<string[]> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(SESSIONS)
  const { rows } = await client.query(`SELECT "sessionToken" FROM "Session" WHERE id LIKE 'route%'`)
  await client.end()
  return rows.map(row => row.sessionToken)
}

async function route(sessionToken: string) {
  const session = await prisma.session.findUnique({ where: { sessionToken }, include: { user: true } })
  if (!session || session.expires < new Date()) throw new Error('not signed in')
  const where = { agencyId: session.user.agencyId, status: 'COMPLETED' as const }
  const requests = await prisma.request.findMany({ where, take: 50, orderBy: { createdAt: 'desc' } })
  const total = await prisma.request.count({ where })
  if (requests.length !== 50 || total < 50) throw new Error('the page is incomplete')
}

async function during(ms: number, known: string[], latencies: number[]) {
  const until = performance.now() + ms
  let number = 0
  const caller = async () => {
    for (let began = performance.now(); began < until; began = performance.now()) {
      await route(known[(number++ * 7919) % known.length])
      latencies.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

const known = await tokens()
await during(seconds('WARM_S', 2) * 1000, known, [])
const latencies: number[] = []
const cpu = process.cpuUsage()
const began = performance.now()
await during(seconds('RUN_S', 5) * 1000, known, latencies)
const secs = (performance.now() - began) / 1000
const used = process.cpuUsage(cpu)
await prisma.$disconnect()
const sorted = Float64Array.from(latencies).sort()
const quantile = (part: number) => Number(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))].toFixed(3))
console.log(JSON.stringify({
  impl: 'prisma', workload, conc: callers, ops: sorted.length, secs: Number(secs.toFixed(3)),
  ops_per_s: Number((sorted.length / secs).toFixed(2)), p50_ms: quantile(0.5), p99_ms: quantile(0.99),
  cpu_s_per_1000: Number(((used.user + used.system) / 1e3 / sorted.length).toFixed(3)),
  rss_peak_mb: Number((process.resourceUsage().maxRSS / 1024).toFixed(1)),
}))
