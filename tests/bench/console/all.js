/* SPDX-License-Identifier: Apache-2.0 */
/* all.js: every component of the graphs around one view. */
import { CallTree } from '/scheduler/console/graph/call_tree.js';
import { Flame } from '/scheduler/console/graph/flame.js';
import { HotSpots, Legend } from '/scheduler/console/graph/hot_spots.js';
import { Raw } from '/scheduler/console/graph/raw.js';
import { Sandwich } from '/scheduler/console/graph/sandwich.js';
import { Timeline } from '/scheduler/console/graph/timeline.js';

const asked = new URLSearchParams(location.search);

/* ?table=tree|raw|sandwich chooses what stands below the flame graph. */
export function mount_all(view, part, main) {
    const kinds = { tree: CallTree, raw: Raw, sandwich: Sandwich };
    const timeline = new Timeline(part(document.body, ''), view);

    document.body.append(main);
    return { timeline, flame: new Flame(part(main, ''), view),
        hot: new HotSpots(part(main, ''), view),
        legend: new Legend(part(document.body, ''), view),
        table: new kinds[asked.get('table') ?? 'tree'](part(document.body, 'tables'), view) };
}
