/* Whatever the bytes, an offset is read from inside them and is one that a day can hold, or none.
 */
#include "base/macros.h"
#include "expr/feel_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const int64_t days[] = { -366000000, -40000, 0, 20000, 20200, 30000, 366000000 };

    for (size_t i = 0; i < ARRAY_LEN(days); i++) {
        for (int clock = FEEL_CLOCK_UTC; clock <= FEEL_CLOCK_LOCAL; clock++) {
            int32_t offset_s;

            if (feel_zone_offset_in(bytes, size, days[i] * 86400, (enum feel_clock)clock,
                                    &offset_s))
                ASSERT(offset_s > -8 * 86400 && offset_s < 8 * 86400);
        }
    }
    return 0;
}
