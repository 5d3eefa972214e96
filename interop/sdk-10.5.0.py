"""SDK 10.5.0 on the development chain: python sdk-10.5.0.py RPC BITMIND FOLDER [SPEC]"""

import asyncio
import sys

from sdk_async import asynchronous
from sdk_checks import Report
from sdk_scenario import Scenario
from sdk_sweep import sweep

report = Report()
scenario = Scenario(report, *sys.argv[1:4], *map(int, sys.argv[4:]))
scenario.run()
sweep(scenario)
asyncio.run(asynchronous(scenario))
report.done()
