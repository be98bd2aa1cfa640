import type { AnyRoute } from './api/route.ts';
import { apiRoutes } from './api/routes.ts';
import { authRoutes } from './auth/routes.ts';

/** Every route there is, for the documentation and for the test that walks them all. */
export const allRoutes: readonly AnyRoute[] = [...authRoutes, ...apiRoutes];
