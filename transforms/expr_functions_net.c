/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and networks. */
#include "transforms/expr_function.h"

leat_value leat_expr_net_string(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1);
    return leat_expr_no_overload(run, "string", args, 1);
}
