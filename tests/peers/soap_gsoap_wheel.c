/* A client that gSOAP has made of a wheel's WSDL: spins, and sees a fault. */

#include <stdio.h>
#include <string.h>

#include "soapH.h"
#include "AmericanWheelSoap.nsmap"

/* Ends the program if what should hold does not. */
static void check(struct soap *soap, int holds, int line)
{
    if (!holds) {
        fprintf(stderr, "line %d\n", line);
        soap_print_fault(soap, stderr);
        exit(1);
    }
}
#define CHECK(holds) check(soap, (holds), __LINE__)

int main(int argc, char **argv)
{
    struct soap *soap = soap_new();
    static struct _ns1__spin spin;
    struct _ns1__spinResponse spun = {0};
    struct _ns1__spinList list = {0};
    struct _ns1__spinListResponse listed = {0};
    struct _ns1__spinCounts counts = {0};
    struct _ns1__spinCountsResponse counted = {0};
    ULONG64 spins = 3, sum = 0;
    int at;

    (void)argc;
    CHECK(soap_call___ns1__spin(soap, argv[1], NULL, &spin, &spun) == SOAP_OK);
    CHECK(spun.result && strstr("GREEN RED BLACK", spun.result->color));

    list.spins = &spins;
    CHECK(soap_call___ns1__spinList(soap, argv[1], NULL, &list, &listed) == SOAP_OK);
    CHECK(listed.__sizeresult == 3 && strstr("LOW HIGH ZERO", listed.result[2].range));

    counts.spins = 1000;
    CHECK(soap_call___ns1__spinCounts(soap, argv[1], NULL, &counts, &counted) == SOAP_OK);
    for (at = 0; at < counted.result->__sizeentry; at++)
        sum += strtoul(counted.result->entry[at].value, NULL, 10);
    CHECK(sum == 1000);

    spins = 1000000000;
    CHECK(soap_call___ns1__spinList(soap, argv[1], NULL, &list, &listed) != SOAP_OK);
    CHECK(strstr(*soap_faultcode(soap), soap->version == 2 ? ":Sender" : ":Client") != NULL);
    CHECK(strstr(*soap_faultstring(soap), "`spins` is at most") != NULL);
    if (soap->version == 2)
        CHECK(strstr(*soap_faultsubcode(soap), ":BadArguments") != NULL);

    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return 0;
}
