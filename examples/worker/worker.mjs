// The whole worker: the engine runs here, so that shader compilation never holds up the page.
import { serve } from "injectfusion/worker";

serve();
