import { alertRoutes } from './alerts.ts';
import { cameraRoutes } from './cameras.ts';
import { eventRoutes } from './events.ts';
import { healthRoutes } from './health.ts';
import { ledgerRoutes } from './ledger.ts';
import type { Route } from './route.ts';
import type { ApiServices } from './services.ts';
import { watchlistRoutes } from './watchlist.ts';

/** Every route of the HTTP server but those of logging in (`http/auth/routes.ts`). */
export const apiRoutes: readonly Route<ApiServices>[] = [
  ...cameraRoutes,
  ...alertRoutes,
  ...eventRoutes,
  ...watchlistRoutes,
  ...ledgerRoutes,
  ...healthRoutes,
];
