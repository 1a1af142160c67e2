// A client in C++ that gSOAP has made of a wheel's WSDL in rpc style: spins, and sees a fault.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "AmericanWheelSoap.nsmap"
#include "soapAmericanWheelSoapProxy.h"

// Ends the program if what should hold does not.
static void check(AmericanWheelSoapProxy &wheel, bool holds, int line)
{
    if (!holds) {
        fprintf(stderr, "line %d\n", line);
        wheel.soap_stream_fault(std::cerr);
        exit(1);
    }
}
#define CHECK(holds) check(wheel, (holds), __LINE__)

int main(int, char **argv)
{
    AmericanWheelSoapProxy wheel(argv[1]);
    ns1__spinResponse spun;
    ns1__spinListResponse list;
    ns1__spinCountsResponse counts;

    CHECK(wheel.spin(spun) == SOAP_OK);
    CHECK(spun.result && strstr("GREEN RED BLACK", spun.result->color.c_str()));

    CHECK(wheel.spinList(3, list) == SOAP_OK);
    CHECK(list.result && list.result->item.size() == 3 && !list.result->item[2]->range.empty());

    CHECK(wheel.spinCounts(1000, counts) == SOAP_OK);
    long sum = 0;
    for (auto entry : counts.result->entry)
        sum += std::atol(entry.value.c_str());
    CHECK(sum == 1000);

    CHECK(wheel.spinList(1000000000, list) != SOAP_OK && *soap_faultstring(wheel.soap));
    wheel.destroy();
    return 0;
}
