/* The first page anybody sees tells the later ones the zone of this machine. */
"use strict";
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
document.cookie = `csmsd_zone=${encodeURIComponent(zone)}; path=/ui; max-age=31536000; samesite=lax`;
